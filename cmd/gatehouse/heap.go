package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector is tuned for a process with many connections that are mostly
// idle: it collects seldom while the heap is small and busy, and gives memory
// back when nothing happens. Go's default lets a heap double before it collects:
// of a server that holds 5,000 idle connections in 13 MB, that is 13 MB of
// garbage that nobody needs; while the connections come in, it is a collection
// every 13 MB.
const (
	headroom    = 64 << 20 // bytes that may be allocated between two collections of a small heap
	leastGrowth = 100      // percent, for a large heap: Go's default
	mostGrowth  = 400      // percent: the longer garbage stays, the wider live objects are spread among it
	lookEvery   = time.Second
	quietBytes  = 64 << 10         // allocations per look below which the process is quiet: some 20 messages of a chat
	returnEvery = 30 * time.Second // memory is given back at most this often
	returnWorth = 4 << 20          // how many bytes make a collection worth it
)

// tendHeap applies the policy until ctx ends.
func tendHeap(ctx context.Context) {
	t := &heapTender{percent: leastGrowth}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		t.look(readHeap(), time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// heapSample is the state of the heap by the runtime, in bytes.
type heapSample struct {
	live      uint64 // found by the last collection
	allocated uint64 // since the process began
	unused    uint64 // bytes that the heap holds beyond live and has not given back
}

func readHeap() heapSample {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	live, held := s[0].Value.Uint64(), s[2].Value.Uint64()+s[3].Value.Uint64()+s[4].Value.Uint64()
	return heapSample{live: live, allocated: s[1].Value.Uint64(), unused: held - min(held, live)}
}

// heapTender remembers the result of the last look.
type heapTender struct {
	percent   int
	allocated uint64
	returned  time.Time
}

func (t *heapTender) look(s heapSample, now time.Time) {
	if p := heapGrowth(s.live); p != t.percent {
		t.percent = p
		debug.SetGCPercent(p)
	}
	quiet := s.allocated-t.allocated < quietBytes
	t.allocated = s.allocated
	if quiet && s.unused > returnWorth && now.Sub(t.returned) >= returnEvery {
		t.returned = now
		debug.FreeOSMemory()
	}
}

// heapGrowth is how much the heap may grow before it is collected, in percent of
// what is live: headroom for a small one, within mostGrowth, and never less than
// Go's default.
func heapGrowth(live uint64) int {
	const steps = 50 // so that it does not change at every look
	p := int(min(headroom*100/max(live, 1), mostGrowth))
	return max(p/steps*steps, leastGrowth)
}
