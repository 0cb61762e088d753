package handshake

import (
	"reflect"
	"testing"
	"time"
)

// A configuration that is printed and read back makes the same gate.
func TestDefaultsThatAreFilledInAgainChangeNothing(t *testing.T) {
	for name, cfg := range map[string]GateConfig{
		"empty":     {},
		"an issuer": {Issuers: []JWTConfig{{}}},
		"negative": {
			Basic: BasicConfig{Throttle: ThrottleConfig{Free: -1}}, Callback: CallbackConfig{CacheTTL: -time.Second, CacheSize: -1},
			Tickets: TicketConfig{MaxOpen: -1},
		},
	} {
		if once := cfg.WithDefaults(); !reflect.DeepEqual(once, once.WithDefaults()) {
			t.Errorf("%s:\n%+v\n%+v", name, once, once.WithDefaults())
		}
	}
}

func TestDefaultsAreNotWrittenIntoTheCallersConfiguration(t *testing.T) {
	issuers := []JWTConfig{{}}
	filled := GateConfig{Issuers: issuers}.WithDefaults().Issuers
	if issuers[0].MaxBytes != 0 || filled[0].MaxBytes == 0 {
		t.Errorf("given %+v, filled %+v", issuers, filled)
	}
}

func TestNegativeFreeFailuresAreNone(t *testing.T) {
	throttle := NewThrottle[string](ThrottleConfig{Free: -7, Base: time.Second}, nil)
	if delay := throttle.Fail("a"); delay != time.Second {
		t.Errorf("the first failure delays by %v", delay)
	}
}
