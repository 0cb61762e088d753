package unit

import (
	"math"
	"testing"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "1000000": 1e6, "1KiB": 1024, "256 KiB": 256 << 10, " 1.5MiB ": 1.5 * (1 << 20), "1024GiB": 1 << 40,
	} {
		if got, err := Size(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "-1KiB", "1KB", "1kib", "1 Ki B", "NaN", "Inf", "1025GiB", "1KiBKiB", "1/s"} {
		if got, err := Size(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{"20": 20, "20/s": 20, "120/m": 2, "1/h": 1.0 / 3600, "256KiB/s": 256 << 10, "60 / m": 1} {
		if got, err := Rate(text); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "/s", "20/", "20/d", "20/s/s", "-1/s", "x/s"} {
		if got, err := Rate(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
