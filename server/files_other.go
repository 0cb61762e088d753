//go:build !unix

package server

import "gatehouse/internal/settings"

// openFiles is how many files the process may have open: not known here.
func openFiles() int { return settings.Highest }
