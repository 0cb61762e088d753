package measure_test

import (
	"os"
	"slices"
	"testing"

	"gatehouse/bench/measure"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 100}, 3.5},
	} {
		given := slices.Clone(tt.values)
		if got := measure.Median(tt.values); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.values, got, tt.want)
		}
		if !slices.Equal(given, tt.values) {
			t.Errorf("median changed its argument from %v to %v", given, tt.values)
		}
	}
}

func TestPercentileIsByNearestRank(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	for p, want := range map[int]int64{0: 1, 1: 1, 50: 50, 99: 99, 100: 100} {
		if got := measure.Percentile(hundred, p); got != want {
			t.Errorf("percentile %d is %d, want %d", p, got, want)
		}
	}
	if got := measure.Percentile([]int64{3}, 99); got != 3 {
		t.Errorf("percentile 99 of one value is %d, want it", got)
	}
}

func TestAProcessCanReadItsOwnFigures(t *testing.T) {
	before, err := measure.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	burn()
	after, err := measure.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("processor time went from %v to %v", before, after)
	}
	m, err := measure.MemoryOf(os.Getpid())
	if err != nil || m.RSS < 1<<20 || m.PSS < 1<<20 {
		t.Errorf("memory of this process is %+v (%v)", m, err)
	}
}

// burn uses some processor time.
func burn() {
	values := make([]float64, 1<<16)
	for i := range values {
		values[i] = float64(i * 7919 % 104729)
	}
	measure.Median(values)
}

func TestNoProcessHasNoFigures(t *testing.T) {
	const nobody = 1 << 23 // above any process id of Linux
	if _, err := measure.CPU(nobody); err == nil {
		t.Error("processor time of nobody")
	}
	if _, err := measure.MemoryOf(nobody); err == nil {
		t.Error("memory of nobody")
	}
}
