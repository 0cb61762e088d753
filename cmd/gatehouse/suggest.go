package main

import "fmt"

// nearest gives the candidate that looks most like name, or "" when none does.
func nearest(name string, candidates []string) string {
	best, distance := "", len(name)/3+2
	for _, c := range candidates {
		if d := edits(name, c); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// edits counts the letters to insert, delete or replace to make a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// unknown is the error of a name that is no key, with what to do.
func unknown(kind, name string, candidates []string) error {
	hint := `remove it; "gatehouse config print" shows every key`
	if best := nearest(name, candidates); best != "" {
		hint = fmt.Sprintf("did you mean %s? %s", best, `Correct or remove it`)
	}
	return fmt.Errorf("unknown %s %s: %s", kind, name, hint)
}
