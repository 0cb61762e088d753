// Command whiteboard is a board that everybody draws on; who comes later gets
// what is on it. Its page, in public, is a front end as one writes it for Node's
// server.
//
//	go run ./examples/whiteboard
package main

import (
	"context"
	"embed"
	"io/fs"
	"sync"

	"gatehouse/examples/internal/site"
	"gatehouse/namespaces"
)

//go:embed public
var public embed.FS

// maxStrokes is how much the board keeps; older strokes are forgotten.
const maxStrokes = 5000

// stroke is a straight piece of a line. Coordinates are parts of the board's
// width and height, so that boards of any size show the same.
type stroke struct {
	From [2]float64 `json:"from"`
	To   [2]float64 `json:"to"`
	Ink  string     `json:"ink"` // #rrggbb
}

func main() {
	files, err := fs.Sub(public, "public")
	if err != nil {
		panic(err)
	}
	site.Main(files, whiteboard())
}

func whiteboard() *namespaces.Namespace {
	ns := namespaces.New("/")
	var b board
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { b.show(s) })
	namespaces.Handle(ns, "stroke", func(_ context.Context, s *namespaces.Socket, in stroke) error {
		if len(in.Ink) > len("#rrggbb") {
			return namespaces.BadRequest("Ink is #rrggbb.")
		}
		return b.draw(s, in)
	})
	namespaces.Handle(ns, "clear", func(context.Context, *namespaces.Socket, namespaces.None) error { return b.clear(ns) })
	return ns
}

// board emits under its lock, so that the strokes shown to a newcomer and the
// strokes drawn meanwhile have one order. An emit only queues; it never waits.
type board struct {
	mu      sync.Mutex // guards strokes
	strokes []stroke
}

func (b *board) show(s *namespaces.Socket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = s.Emit("board", append([]stroke{}, b.strokes...)) // an error: it has gone again
}

func (b *board) draw(s *namespaces.Socket, in stroke) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.strokes) == maxStrokes {
		b.strokes = b.strokes[1:]
	}
	b.strokes = append(b.strokes, in)
	return s.Others().Emit("stroke", in)
}

func (b *board) clear(ns *namespaces.Namespace) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strokes = nil
	return ns.Emit("board", []stroke{})
}
