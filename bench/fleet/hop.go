package fleet

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

var errHop = errors.New("answer to a long-polling request not understood")

// poller is a client by long-polling whose requests take turns between the node
// that has its session and another, which hands them over.
type poller struct {
	client *http.Client
	sid    string
	own    netip.AddrPort
	other  netip.AddrPort
	n      int // echoes so far
}

// hop times so many pairs of requests, a POST of an event and the GET of its
// acknowledgement: at the node that has the session, and at the other one.
func hop(own, other netip.AddrPort, token string, pairs int) (direct, handed []int64, err error) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	p := &poller{client: &http.Client{Timeout: 10 * time.Second, Transport: transport}, own: own, other: other}
	if err := p.enter(token); err != nil {
		return nil, nil, err
	}
	const warming = 50 // pairs that are not counted
	for i := range warming + pairs {
		here, err := p.echo(own)
		if err != nil {
			return nil, nil, err
		}
		there, err := p.echo(other)
		if err != nil {
			return nil, nil, err
		}
		if i >= warming {
			direct, handed = append(direct, here[:]...), append(handed, there[:]...)
		}
	}
	_, err = p.ask(own, "1")
	return direct, handed, err
}

// enter opens a session and has it admitted to the echo.
func (p *poller) enter(token string) error {
	open, err := p.ask(p.own, "")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(open, `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return fmt.Errorf("%w: %.200q", errHop, open)
	}
	p.sid = sid
	if _, err := p.ask(p.own, `40/echo,{"token":"`+token+`"}`); err != nil {
		return err
	}
	answer, err := p.ask(p.own, "")
	if err == nil && !strings.HasPrefix(answer, "40/echo,") {
		err = fmt.Errorf("%w: %.200q", errHop, answer)
	}
	return err
}

// echo sends an event to a node, gets its acknowledgement there and says how many
// nanoseconds each of the two took.
func (p *poller) echo(at netip.AddrPort) (took [2]int64, err error) {
	p.n++
	start := time.Now()
	if _, err = p.ask(at, fmt.Sprintf(`42/echo,%d["echo",%d]`, p.n, p.n)); err != nil {
		return took, err
	}
	sent := time.Now()
	answer, err := p.ask(at, "")
	if err == nil && answer != fmt.Sprintf(`43/echo,%d[%d]`, p.n, p.n) {
		err = fmt.Errorf("%w: %.200q", errHop, answer)
	}
	return [2]int64{int64(sent.Sub(start)), int64(time.Since(sent))}, err
}

// ask posts a payload, or gets one when there is none to post.
func (p *poller) ask(at netip.AddrPort, payload string) (string, error) {
	url := "http://" + at.String() + "/socket.io/?EIO=4&transport=polling"
	if p.sid != "" {
		url += "&sid=" + p.sid
	}
	method, body := http.MethodGet, io.Reader(nil)
	if payload != "" {
		method, body = http.MethodPost, strings.NewReader(payload)
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return "", fmt.Errorf("hop: %w", err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("hop: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s %.200q", errHop, res.Status, text)
	}
	return string(text), err
}
