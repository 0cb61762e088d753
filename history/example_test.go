package history_test

import (
	"context"
	"encoding/json"
	"fmt"

	"gatehouse/history"
)

// A client that was away asks for the entries behind its last position.
func Example() {
	ctx, limits := context.Background(), history.Limits{Messages: 2}
	log := history.NewMemory(0)
	defer log.Close()

	var seen history.Position
	for i, text := range []string{"one", "two", "three"} {
		data, _ := json.Marshal(text)
		at, err := log.Append(ctx, "doc:7", limits, history.Entry{Event: "edit", Data: data})
		if err != nil {
			fmt.Println(err)
			return
		}
		if i == 0 {
			seen = at
		}
	}
	page, err := log.Read(ctx, "doc:7", limits, history.Query{Since: &seen})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range page.Entries {
		fmt.Println(e.Offset, e.Event, string(e.Data))
	}
	fmt.Println("complete:", page.Complete)
	// Output:
	// 2 edit "two"
	// 3 edit "three"
	// complete: true
}
