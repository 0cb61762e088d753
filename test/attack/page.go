package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// The lines between which a page has the table.
const (
	tableBegin = "<!-- table: make attack writes what follows -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

var errNoPlace = errors.New("the page has no place for the table")

// writePage puts the results into the page, in the place that it has for them.
func writePage(path string, o options, results []result) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(page), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		return fmt.Errorf("%w: %s", errNoPlace, path)
	}
	about := fmt.Sprintf("%s, %d processors, each attack for %v.", time.Now().Format("2006-01-02"), runtime.NumCPU(), o.attack)
	text := before + tableBegin + "\n" + about + "\n\n" + table(results) + "\n" + tableEnd + after
	return os.WriteFile(path, []byte(text), 0o644) // a page to be read
}
