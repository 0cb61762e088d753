// Package unit reads sizes and rates as people write them: "256KiB", "20/s".
package unit

import (
	"fmt"
	"strconv"
	"strings"
)

// highest is far above every useful size and exact as a float64.
const highest = 1 << 40

// Size reads a number of bytes: a number, or one with KiB, MiB or GiB behind it.
func Size(text string) (float64, error) {
	number, factor := strings.TrimSpace(text), 1.0
	for name, f := range map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if short, ok := strings.CutSuffix(number, name); ok {
			number, factor = strings.TrimSpace(short), f
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n*factor <= highest) {
		return 0, fmt.Errorf("%q is no size; write a number, or one with KiB, MiB or GiB", text)
	}
	return n * factor, nil
}

// seconds are the times that a rate may be for.
var seconds = map[string]float64{"s": 1, "m": 60, "h": 3600}

// Rate reads an amount per second: a number or a size, and the time, "100/m".
// Without a time it is per second.
func Rate(text string) (float64, error) {
	amount, time, given := strings.Cut(text, "/")
	if !given {
		time = "s"
	}
	n, err := Size(amount)
	per, known := seconds[strings.TrimSpace(time)]
	if err != nil || !known {
		return 0, fmt.Errorf(`%q is no rate; write one such as "20/s", "100/m" or "256KiB/s"`, text)
	}
	return n / per, nil
}
