package bridge

import (
	zengine "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// front is the engine that the library sees. It emits "connection"; the base
// type of the library answers all other calls of an application.
type front struct {
	zengine.BaseServer
	srv *Server
}

func newFront(srv *Server, opts socket.ServerOptionsInterface) *front {
	f := &front{BaseServer: zengine.MakeBaseServer(), srv: srv}
	f.Prototype(f)
	f.Construct(opts)
	shown := f.Opts()
	e := &srv.cfg.Engine
	if e.PingInterval > 0 {
		shown.SetPingInterval(e.PingInterval)
	}
	if e.PingTimeout > 0 {
		shown.SetPingTimeout(e.PingTimeout)
	}
	if e.MaxPayload > 0 {
		shown.SetMaxHttpBufferSize(int64(e.MaxPayload))
	}
	return f
}

// ClientsCount returns how many connections are open.
func (f *front) ClientsCount() uint64 { return uint64(max(f.srv.Sessions(), 0)) }

// Close is called by io.Close, perhaps from a listener, so it does not wait for
// listeners.
func (f *front) Close() zengine.BaseServer {
	f.srv.engine.Close()
	return f
}
