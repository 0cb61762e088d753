package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gatehouse/bench/report"
)

// load reads a report that save wrote to path with .json added.
func load(path string) (*report.Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	return &r, nil
}

// save writes the report as JSON, as a picture, and into the page, whose names
// are path with .json, .svg and .md added.
func save(r *report.Report, path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.WriteFile(path+".json", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	f, err := os.Create(path + ".svg")
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	defer f.Close()
	if err := r.Picture(f); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return r.WritePage(path + ".md")
}
