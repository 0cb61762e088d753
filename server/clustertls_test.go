package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// hopTLS issues a node's certificate and names its files.
func hopTLS(a *wiretest.Authority, template *x509.Certificate) server.ClusterTLS {
	a.Issue("node", template)
	return server.ClusterTLS{CertFile: a.Path("node.pem"), KeyFile: a.Path("node.key"), CAFile: a.Path("ca.pem")}
}

func TestMistakesInTheTLSBetweenNodesAreNamed(t *testing.T) {
	a, other := wiretest.NewAuthority(t, "ours"), wiretest.NewAuthority(t, "theirs")
	good, foreign := hopTLS(a, wiretest.Node()), hopTLS(other, wiretest.Node())
	made := func(change func(*x509.Certificate)) func(*server.Cluster) {
		return func(c *server.Cluster) {
			template, one := wiretest.Node(), wiretest.NewAuthority(t, "one")
			change(template)
			c.TLS = hopTLS(one, template)
		}
	}
	for says, change := range map[string]func(*server.Cluster){
		"":                              func(*server.Cluster) {},
		"cluster.tls.ca_file: is empty": func(c *server.Cluster) { c.TLS.CAFile = "" },
		"cluster.tls.cert_file, cluster.tls.key_file: tls: private key does not match": func(c *server.Cluster) { c.TLS.KeyFile = foreign.KeyFile },
		"cluster.tls.key_file: open":                                               func(c *server.Cluster) { c.TLS.KeyFile = a.Path("none") },
		"cluster.tls.ca_file: " + good.KeyFile + " holds no certificate":           func(c *server.Cluster) { c.TLS.CAFile = good.KeyFile },
		"cluster.tls.cert_file: no authority of cluster.tls.ca_file has signed it": func(c *server.Cluster) { c.TLS.CAFile = foreign.CAFile },
		"cluster.tls.cert_file: the certificate has expired":                       made(func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Minute) }),
		"cluster.tls.cert_file: the certificate is not valid before":               made(func(x *x509.Certificate) { x.NotAfter = time.Now().Add(3 * time.Hour) }),
		"is not for client authentication":                                         made(func(x *x509.Certificate) { x.ExtKeyUsage = x.ExtKeyUsage[:1] }),
		"does not name 127.0.0.1, where other nodes reach":                         made(func(x *x509.Certificate) { x.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)} }),
		"does not name nodes.example, which cluster.tls.server_name is":            func(c *server.Cluster) { c.TLS.ServerName = "nodes.example" },
		"cluster.tls.cert_file: is empty":                                          func(c *server.Cluster) { c.TLS = server.ClusterTLS{ServerName: "nodes.example"} },
		"cluster.tls: without cluster.addr":                                        func(c *server.Cluster) { c.Addr = "" },
		"cluster.advertise: is http, and cluster.tls is set":                       func(c *server.Cluster) { c.Advertise = "http://127.0.0.1:3002" },
		"cluster.advertise: https needs cluster.tls.cert_file": func(c *server.Cluster) {
			c.TLS, c.Advertise = server.ClusterTLS{}, "https://127.0.0.1:3002"
		},
		`cluster.advertise: "https://:3002"`: func(c *server.Cluster) { c.Advertise = "https://:3002" },
	} {
		cfg := server.Config{Addr: ":0", Redis: server.Redis{URL: "redis://localhost"}, Cluster: server.Cluster{
			Mode: "streams", Addr: "127.0.0.1:3002", Secret: handshake.Secret(strings.Repeat("s", 40)), TLS: good,
		}}
		change(&cfg.Cluster)
		err := cfg.WithDefaults().Check()
		if says == "" && !errors.Is(err, handshake.ErrNoVerifier) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// Polling and the upgrade to a WebSocket pass from node to node over TLS; the listener
// answers nobody without a certificate of a node.
func TestReq29_RequestsPassBetweenNodesOverTLS(t *testing.T) {
	a, named := wiretest.NewAuthority(t, "ours"), wiretest.Node()
	named.IPAddresses, named.DNSNames = nil, []string{"nodes.example"} // whatever address a node gets
	files := hopTLS(a, named)
	files.ServerName = "nodes.example"
	one, other := twoNodes(t, func() []namespaces.Definition { return who("/who") }, func(c *server.Cluster) { c.TLS = files })
	one.waitFor("certificate for the other nodes loaded")
	// through opens a session at one node, and goes on with it through the other.
	through := func(transport string) client {
		c := way{}.resume(t, other.addr, dial(t, one.addr, "polling").session())
		if transport == "polling" {
			return c
		}
		c, err := c.upgrade()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	talk := func(c client) {
		t.Helper()
		if got := enter(c, "/who", token(t, "ada")); !strings.HasPrefix(got, "40/who,") {
			t.Fatal(got)
		}
		if got := whoami(t, c, "/who"); !strings.Contains(got, "ada") {
			t.Error(got)
		}
	}
	for _, transport := range []string{"polling", "upgrade"} {
		talk(through(transport))
	}
	if nodes := other.nodes(); !strings.Contains(nodes, `"address":"https://127.0.0.1:`) {
		t.Errorf("nodes that speak TLS say so: %s", nodes)
	}
	at := strings.Split(strings.Split(other.log.String(), `"advertise":"https://`)[1], `"`)[0]
	resp, err := http.Get("http://" + at + "/")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %d %s", resp.StatusCode, text)
	}
	stranger := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: a.Pool()}}}
	if resp, err := stranger.Get("https://" + at + "/"); err == nil {
		_ = resp.Body.Close()
		t.Error("somebody without a certificate is answered")
	}
	other.waitFor("nobody else should reach cluster.addr")

	// Both ends take over renewed files, and neither takes over wrong ones.
	hopTLS(a, named)
	for _, r := range []*running{one, other} {
		if err := r.server.ReloadTLS(); err != nil {
			t.Fatal(err)
		}
	}
	talk(through("upgrade"))
	if err := os.WriteFile(files.CertFile, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := other.server.ReloadTLS(); err == nil || !strings.Contains(err.Error(), "cluster.tls.cert_file") {
		t.Errorf("a broken file: %v", err)
	}
	talk(through("upgrade"))

	// Wrong files do not keep an old key in force.
	next := other.config
	next.JWT.HMACSecret = handshake.Secret(strings.Repeat("another secret of the tests ", 2))
	if _, err := other.server.Reload(next); err != nil {
		t.Fatal(err)
	}
	other.waitFor("cluster.tls: the files in force stay")
	if got := enter(dial(t, other.addr, "polling"), "/who", token(t, "ada")); !strings.HasPrefix(got, "44/who,") {
		t.Errorf("a token of the former key: %s", got)
	}
	if got := enter(through("polling"), "/who", token(t, "ada")); !strings.HasPrefix(got, "40/who,") {
		t.Errorf("through the node to another that has the former key: %s", got)
	}
}

// nodes is what the operators' list of nodes says.
func (r *running) nodes() string {
	r.t.Helper()
	_, body := ask(r.t, r.url("/api/v1/nodes"), operator, "")
	return body
}
