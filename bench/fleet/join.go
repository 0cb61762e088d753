package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/bench/scenario"
)

// Join is what the members of the other nodes notice of a node that joins.
type Join struct {
	Took time.Duration // from the start of its process until it listens to clients
	Lag  time.Duration // the highest gatehouse_cluster_lag_seconds of the others
	Run  scenario.Run  // of the room meanwhile
}

const lagEvery = 100 * time.Millisecond // the nodes are asked for their lag

var errLag = errors.New("a node does not say its lag")

// join has one node more start while messages go round at a rate.
func (r *running) join(ctx context.Context, s Sizes) (j Join, err error) {
	watched := slices.Clone(r.operators)
	joined, watching := make(chan error, 1), make(chan error, 1)
	done := make(chan struct{})
	go func() { joined <- r.node(ctx) }()
	go func() {
		var failed error
		j.Lag, failed = highest(ctx, watched, done)
		watching <- failed
	}()
	run, err := r.hall.Pace(s.Joining, s.Rate)
	close(done)
	if err = errors.Join(err, <-joined, <-watching); err != nil {
		return j, fmt.Errorf("while a node joins: %w", err)
	}
	j.Run, j.Took = run, r.nodes[len(r.nodes)-1].Started
	return j, nil
}

// highest asks the nodes for their lag until it is done and gives the highest answer.
func highest(ctx context.Context, operators []string, done <-chan struct{}) (time.Duration, error) {
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var most time.Duration
	for {
		for _, addr := range operators {
			lag, err := lagOf(ctx, client, addr)
			if err != nil {
				return 0, err
			}
			most = max(most, lag)
		}
		select {
		case <-tick.C:
		case <-done:
			return most, nil
		}
	}
}

// lagOf asks one node.
func lagOf(ctx context.Context, client *http.Client, addr string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("lag: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("lag: %w", err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "gatehouse_cluster_lag_seconds "); ok {
			seconds, err := strconv.ParseFloat(text, 64)
			return time.Duration(seconds * float64(time.Second)), err
		}
	}
	return 0, fmt.Errorf("%w: %s", errLag, res.Status)
}
