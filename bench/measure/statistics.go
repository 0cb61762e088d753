package measure

import "slices"

// Median returns the middle of the values, the mean of the two middle ones of an
// even number, and 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// Percentile returns the smallest value that p per cent of all are not above, by
// nearest rank. It sorts the values in place; of none it gives 0.
func Percentile[T int64 | ~float64](values []T, p int) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := (len(values)*p + 99) / 100
	return values[max(rank, 1)-1]
}
