package server

import (
	"testing"

	"gatehouse/packet"
)

// Only one frame in 64 is timed: the others cost the same as without metrics.
func TestMeasuringDeliveriesCostsNearlyNothing(t *testing.T) {
	frames := func(m *metrics) float64 {
		render, text := renderer(m), []byte(`2["e"]`)
		return testing.AllocsPerRun(100, func() {
			for range oneFrameOf {
				_ = (&packet.Frame{Text: text}).Rendering(render)
			}
		})
	}
	without, with := frames(nil), frames(newMetrics(Config{Admin: Admin{Key: "x"}}))
	if with > without+2 {
		t.Errorf("%d frames take %v allocations with metrics, %v without", oneFrameOf, with, without)
	}
}

func BenchmarkRender(b *testing.B) {
	for name, m := range map[string]*metrics{"without metrics": nil, "with metrics": newMetrics(Config{Admin: Admin{Key: "x"}})} {
		b.Run(name, func(b *testing.B) {
			render, text := renderer(m), []byte(`2["e"]`)
			b.ReportAllocs()
			for b.Loop() {
				_ = (&packet.Frame{Text: text}).Rendering(render)
			}
		})
	}
}
