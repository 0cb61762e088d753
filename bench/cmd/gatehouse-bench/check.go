package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"gatehouse/bench/report"
	"gatehouse/bench/scenario"
)

// appeals is how many rounds more a scenario gets that seems to have regressed.
const appeals = 2

var errRegressed = errors.New("the product is worse than the report says")

// checked holds the rounds so far against an earlier report. Scenarios that seem
// to have regressed are run again before they are said to have.
func (c *comparison) checked(ctx context.Context, r, earlier *report.Report, out io.Writer) error {
	for range appeals {
		suspects := c.suspects(r.Check(earlier))
		if len(suspects) == 0 {
			break
		}
		if err := c.round(ctx, r, suspects); err != nil {
			return err
		}
	}
	regressions := r.Check(earlier)
	if len(regressions) == 0 {
		_, err := fmt.Fprintf(out, "no row regressed against the report of %s\n", earlier.Date.Format("2006-01-02"))
		return err
	}
	for _, g := range regressions {
		fmt.Fprintln(out, "regressed:", g)
	}
	return fmt.Errorf("%w in %d rows", errRegressed, len(regressions))
}

// suspects returns the scenarios of the rows.
func (c *comparison) suspects(rows []report.Regression) []scenario.Scenario {
	return slices.DeleteFunc(slices.Clone(c.scenarios), func(s scenario.Scenario) bool {
		return !slices.ContainsFunc(rows, func(g report.Regression) bool { return g.Row.Scenario == s.Name })
	})
}
