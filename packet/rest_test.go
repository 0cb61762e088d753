package packet

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// A large message does not keep its processor to itself until it is checked.
func TestALargeTextLetsOthersRunMeanwhile(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var others atomic.Int32
	var end atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !end.Load() {
			others.Add(1)
			runtime.Gosched()
		}
	}()
	runtime.Gosched()
	before := int(others.Load())
	text := `2["numbers",[` + strings.TrimSuffix(strings.Repeat("1,", 1<<19), ",") + `]]`
	d := NewDecoder(Limits{MaxDepth: 10})
	_, _, err := d.Text([]byte(text))
	ran := int(others.Load()) - before
	end.Store(true)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if least := len(text) / restBytes / 2; ran < least {
		t.Errorf("another goroutine ran %d times while %d bytes were checked, at least %d were expected", ran, len(text), least)
	}
}
