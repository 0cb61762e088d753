package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestASmallHeapMayGrowByTheHeadroomAndALargeOneMayDouble(t *testing.T) {
	for live, want := range map[uint64]int{
		0:        400,
		4 << 20:  400,
		16 << 20: 400,
		32 << 20: 200,
		64 << 20: 100,
		4 << 30:  100,
	} {
		if got := heapGrowth(live); got != want {
			t.Errorf("growth of %d MiB is %d %%, want %d", live>>20, got, want)
		}
	}
}

func TestMemoryIsGivenBackWhenItIsQuietAndNotTooOften(t *testing.T) {
	var begin time.Time
	begin = begin.Add(time.Hour)
	held := &heapTender{percent: heapGrowth(0)}
	held.look(heapSample{allocated: 100 << 20, unused: 50 << 20}, begin)
	if !held.returned.IsZero() {
		t.Error("memory was given back while the process was busy")
	}
	const talk = 100<<20 + 300<<10 // 200 rooms in which somebody says something each second: 300 KB and more
	held.look(heapSample{allocated: talk, unused: 50 << 20}, begin)
	if !held.returned.IsZero() {
		t.Error("memory was given back while people talked: a processor does nothing else meanwhile")
	}
	held.look(heapSample{allocated: talk, unused: 1 << 20}, begin)
	if !held.returned.IsZero() {
		t.Error("a collection for little memory")
	}
	held.look(heapSample{allocated: talk + quietBytes/2, unused: 50 << 20}, begin)
	if !held.returned.Equal(begin) {
		t.Error("memory was not given back when it was quiet")
	}
	held.look(heapSample{allocated: talk + quietBytes/2, unused: 50 << 20}, begin.Add(returnEvery-1))
	if !held.returned.Equal(begin) {
		t.Error("memory was given back again at once")
	}
}

func TestTendHeapEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*lookEvery)
		defer cancel()
		tendHeap(ctx)
	})
}
