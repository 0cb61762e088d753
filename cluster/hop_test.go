package cluster

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/wiretest"
)

// hopEnd is a node without Redis, at one end of a hop.
func hopEnd(config *tls.Config, secret string) *Node {
	cfg := NodeConfig{Logger: slog.New(slog.DiscardHandler)}
	if config != nil {
		cfg.TLS = func() *tls.Config { return config }
	}
	n := &Node{uid: newUID(), cfg: cfg.withDefaults(), signer: signer{[]byte(secret)}}
	n.initForwarding()
	return n
}

// hop hands a request of a client from one node to the other. Each has TLS or none, and the other's address says whether it
// has. It returns the client's answer and the first node's log.
func hop(t *testing.T, from, to *Node, saysTLS bool) (*httptest.ResponseRecorder, string) {
	t.Helper()
	listener := httptest.NewUnstartedServer(to.Owned(func(w http.ResponseWriter, _ *http.Request, _ *Peer) { _, _ = io.WriteString(w, "served") }, nil))
	listener.Config.ErrorLog = log.New(io.Discard, "", 0)
	if to.cfg.TLS != nil {
		listener.Listener = tls.NewListener(listener.Listener, to.cfg.TLS())
	}
	listener.Start()
	defer listener.Close()
	defer from.forward.hops.CloseIdleConnections()
	info := NodeInfo{ID: to.uid, Name: "other", Address: listener.Listener.Addr().String()}
	if saysTLS {
		info.Address = "https://" + info.Address
	}
	var said strings.Builder
	from.forward.log = slog.New(slog.NewTextHandler(&said, nil))
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.org/socket.io/?EIO=4&sid=x", strings.NewReader("body"))
	from.forward.proxy.ServeHTTP(w, r.WithContext(withNode(context.WithoutCancel(t.Context()), info)))
	return w, said.String()
}

// The node that hands a request on logs what is wrong between the two nodes, and what to do; its client is told that the
// session is unknown, and reconnects.
func TestReq29_WhatIsWrongWithTheTLSBetweenNodesIsSaid(t *testing.T) {
	const secret = "a secret of the fleet that is long enough"
	ours, theirs := wiretest.NewAuthority(t, "ours"), wiretest.NewAuthority(t, "theirs")
	config := func(a *wiretest.Authority, host net.IP, until time.Time) *tls.Config {
		template := wiretest.Node()
		template.IPAddresses, template.NotAfter = []net.IP{host}, until
		cert := a.Issue("node", template)
		return &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: a.Pool(), ClientCAs: a.Pool(),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
			ClientAuth:           tls.RequireAndVerifyClientCert,
		}
	}
	here, later := net.IPv4(127, 0, 0, 1), time.Now().Add(time.Hour)
	good, expired := config(ours, here, later), config(ours, here, time.Now().Add(-time.Minute))
	named := config(ours, here, later)
	named.ServerName = "node.example"
	for name, c := range map[string]struct {
		from, to *Node
		saysTLS  bool
		words    []string // texts of the log; none: the request is served
	}{
		"both have TLS":       {hopEnd(good, secret), hopEnd(config(ours, here, later), secret), true, nil},
		"neither has TLS":     {hopEnd(nil, secret), hopEnd(nil, secret), false, nil},
		"another authority":   {hopEnd(good, secret), hopEnd(config(theirs, here, later), secret), true, []string{"unknown authority", "cluster.tls.ca_file"}},
		"expired there":       {hopEnd(good, secret), hopEnd(expired, secret), true, []string{"expired", "renew cluster.tls.cert_file there"}},
		"expired here":        {hopEnd(expired, secret), hopEnd(good, secret), true, []string{"cluster.advertise"}}, // why, the other one logs
		"for another host":    {hopEnd(good, secret), hopEnd(config(ours, net.IPv4(10, 0, 0, 1), later), secret), true, []string{"10.0.0.1", "must name the host of its cluster.advertise"}},
		"for no common name":  {hopEnd(named, secret), hopEnd(good, secret), true, []string{"node.example", "cluster.tls.server_name"}},
		"none there":          {hopEnd(good, secret), hopEnd(nil, secret), false, []string{"set cluster.tls there too"}},
		"none where it says":  {hopEnd(good, secret), hopEnd(nil, secret), true, []string{"set cluster.tls there too"}},
		"none here":           {hopEnd(nil, secret), hopEnd(good, secret), true, []string{"set cluster.tls here too"}},
		"TLS where none said": {hopEnd(nil, secret), hopEnd(good, secret), false, []string{"set cluster.tls here too"}},
		"another secret":      {hopEnd(good, "another secret of the fleet, long enough"), hopEnd(good, secret), true, []string{"cluster.secret", "clocks"}},
	} {
		w, said := hop(t, c.from, c.to, c.saysTLS)
		want, status := `{"code":1,"message":"Session ID unknown"}`, http.StatusBadRequest
		if len(c.words) == 0 {
			want, status = "served", http.StatusOK
		}
		if w.Code != status || w.Body.String() != want {
			t.Errorf("%s: the client gets %d %s, want %d %s", name, w.Code, w.Body, status, want)
		}
		if (said == "") != (len(c.words) == 0) {
			t.Errorf("%s: the log says %q", name, said)
		}
		for _, word := range c.words {
			if !strings.Contains(said, word) {
				t.Errorf("%s: the log does not say %q: %s", name, word, said)
			}
		}
	}
}
