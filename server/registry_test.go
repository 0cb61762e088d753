package server_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/handshake"
	"gatehouse/server"
)

// embedded is the configuration of a program with its own registry.
func embedded(registry prometheus.Registerer) server.Config {
	return server.Config{JWT: handshake.JWTConfig{HMACSecret: secret}, Registry: registry}
}

func names(t *testing.T, registry *prometheus.Registry) map[string]bool {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, f := range families {
		all[f.GetName()] = true
	}
	return all
}

func TestAProgramsRegistryHasTheMetricsUntilTheServerEnds(t *testing.T) {
	registry := prometheus.NewRegistry()
	s, err := server.New(embedded(registry))
	if err != nil {
		t.Fatal(err)
	}
	if all := names(t, registry); !all["gatehouse_connections"] || !all["gatehouse_tickets_minted_total"] || all["go_goroutines"] {
		t.Errorf("the registry has %v", all)
	}
	s.Close()
	if all := names(t, registry); len(all) > 0 {
		t.Errorf("after the end the registry has %v", all)
	}
	if s, err = server.New(embedded(registry)); err != nil {
		t.Fatalf("the next server: %v", err)
	}
	s.Close()
}

func TestANameThatIsTakenInTheRegistryIsToldAtTheStart(t *testing.T) {
	own := prometheus.NewRegistry()
	own.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "gatehouse_sockets", Help: "The program's own."}))
	first := prometheus.NewRegistry()
	s, err := server.New(embedded(first))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for registry, name := range map[*prometheus.Registry]string{own: "gatehouse_sockets", first: "gatehouse_connections"} {
		if _, err := server.New(embedded(registry)); err == nil || !strings.Contains(err.Error(), name) || !strings.HasPrefix(err.Error(), "registry: ") {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	shared := prometheus.NewRegistry()
	for _, node := range []string{"one", "two"} {
		s, err := server.New(embedded(prometheus.WrapRegistererWith(prometheus.Labels{"node": node}, shared)))
		if err != nil {
			t.Fatalf("with a label of its own: %v", err)
		}
		defer s.Close()
	}
}
