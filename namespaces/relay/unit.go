package relay

import "gatehouse/internal/unit"

// Size is a number of bytes. As text it is a number, or one with KiB, MiB or GiB
// behind it: "256KiB".
type Size int

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := unit.Size(string(text))
	if err != nil {
		return err
	}
	*s = Size(n)
	return nil
}

// Rate is a number per second. As text it is a number or a size with the unit of
// time behind it: "20/s", "100/m", "256KiB/s".
type Rate float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	n, err := unit.Rate(string(text))
	if err != nil {
		return err
	}
	*r = Rate(n)
	return nil
}
