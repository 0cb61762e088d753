package relay

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes. As text it is a number, or one with KiB, MiB or GiB
// behind it: "256KiB".
type Size int

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseSize(string(text))
	if err != nil {
		return err
	}
	*s = Size(n)
	return nil
}

func parseSize(text string) (float64, error) {
	unit := 1.0
	for name, factor := range map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, name); ok {
			text, unit = strings.TrimSpace(number), factor
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n*unit > 1<<40 {
		return 0, fmt.Errorf("%q is no size; write a number, or one with KiB, MiB or GiB", text)
	}
	return n * unit, nil
}

// Rate is so many a second. As text it is a number or a size, and the time: "20/s",
// "100/m", "256KiB/s".
type Rate float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	amount, unit, given := strings.Cut(string(text), "/")
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := parseSize(amount)
	if err != nil || given && !known {
		return fmt.Errorf(`%q is no rate; write one such as "20/s", "100/m" or "256KiB/s"`, text)
	}
	if !given {
		seconds = 1
	}
	*r = Rate(n / seconds)
	return nil
}
