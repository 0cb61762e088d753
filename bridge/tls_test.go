package bridge_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
)

func TestTheGateSeesTheClientsCertificate(t *testing.T) {
	g := newGate(nil)
	a := serve(t, bridge.Config{}, func(io *socket.Server) { io.Use(bridge.Middleware(g)) })
	a.http.Close()
	a.http = httptest.NewUnstartedServer(a.bound)
	a.http.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	a.http.StartTLS()
	transport, ok := a.http.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the test server's client has a %T", a.http.Client().Transport)
	}
	transport.TLSClientConfig.Certificates = a.http.TLS.Certificates // any will do
	a.poll("Cookie", "session=1")
	r := receive(t, g.asked)
	if r.TLS == nil || len(r.TLS.PeerCertificates) != 1 || !r.Secure || r.Header.Get("Cookie") != "session=1" {
		t.Errorf("the gate was asked about TLS %v, secure %v, cookie %q", r.TLS != nil, r.Secure, r.Header.Get("Cookie"))
	}
}
