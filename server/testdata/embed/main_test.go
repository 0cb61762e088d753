package main

import (
	"strings"
	"testing"

	"gatehouse/namespaces/namespacestest"
)

func TestAnOrderIsToldToTheDesk(t *testing.T) {
	h := namespacestest.Mount(t, orders())
	ada := h.Enter("/orders", namespacestest.As("ada", "orders"))
	bob := h.Enter("/orders", namespacestest.As("bob", "orders"))

	made := namespacestest.Ask[order](ada, "order:create", newOrder{Item: "tea"})
	if made.By != "ada" {
		t.Errorf("the order is %+v", made)
	}
	var told order
	bob.Expect("order:created").Decode(&told)
	if told != made {
		t.Errorf("the desk is told %+v", told)
	}
	ada.Nothing() // who made it has the answer
}

func TestFrontEndsGetTheTypesOfTheOrders(t *testing.T) {
	var out strings.Builder
	if err := types(&out); err != nil {
		t.Fatal(err)
	}
	if want := `"order:created": (data: Order) => void;`; !strings.Contains(out.String(), want) {
		t.Errorf("%s\nwithout %s", out.String(), want)
	}
}
