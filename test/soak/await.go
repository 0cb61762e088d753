package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// await runs f until it says that it is done or the limit has passed.
func await(ctx context.Context, limit time.Duration, f func() (done bool, missing error)) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		done, missing := f()
		if done {
			return nil
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return errors.Join(fmt.Errorf("not within %v", limit), missing)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
