package handshake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// from is a CONNECT with a token from an address of its own.
func from(i int, token string) *Request {
	r := auth(token)
	r.RemoteAddr = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
	return r
}

func refusalOf(t *testing.T, err error) *Refusal {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refusal
}

// Field fault 3: more at once than the back end takes wait for their turn.
func TestField03_MoreCallsThanABackEndTakesWait(t *testing.T) {
	var underWay, most atomic.Int32
	address, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		now := underWay.Add(1)
		defer underWay.Add(-1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		_, _ = io.WriteString(w, `{"subject":"ann"}`)
	})
	g, _ := callbackGate(t, CallbackConfig{URL: address, MaxInFlight: 4})
	var all sync.WaitGroup
	var refused atomic.Int32
	for i := range 60 {
		all.Go(func() {
			if _, err := g.Check(t.Context(), from(i, fmt.Sprint("token", i))); err != nil {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if refused.Load() > 0 || most.Load() > 4 {
		t.Errorf("%d of 60 refused, %d at once", refused.Load(), most.Load())
	}
}

// Field fault 3: one address that keeps the back end busy does not keep others out.
func TestField03_OneAddressDoesNotHoldAllPlaces(t *testing.T) {
	hang := make(chan struct{})
	asked := make(chan struct{}, 100)
	address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
		var q CallbackRequest
		_ = json.NewDecoder(r.Body).Decode(&q)
		if strings.HasPrefix(q.Credential, "slow") {
			asked <- struct{}{}
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, `{"subject":"ann"}`)
	})
	g, _ := callbackGate(t, CallbackConfig{URL: address, MaxInFlight: 4, Timeout: 20 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { _, _ = g.Check(ctx, from(1, fmt.Sprint("slow", i))) })
	}
	for range 3 {
		<-asked // the places that one address may hold
	}
	_, err := g.Check(t.Context(), from(2, "honest"))
	wantCode(t, err, "")
	cancel()
	close(hang)
	all.Wait()
}

// Field fault 4: a few failures among many answers are no outage.
func TestField04_AFewFailuresAmongManyAnswersRefuseNobody(t *testing.T) {
	address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
		var q CallbackRequest
		_ = json.NewDecoder(r.Body).Decode(&q)
		if strings.HasPrefix(q.Credential, "bad") {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, `{"subject":"ann"}`)
	})
	g, _ := callbackGate(t, CallbackConfig{URL: address})
	for i := range 35 {
		_, err := g.Check(t.Context(), from(i, fmt.Sprint("good", i)))
		wantCode(t, err, "")
	}
	for i := range 5 { // in a row
		_, err := g.Check(t.Context(), from(100+i, fmt.Sprint("bad", i)))
		wantCode(t, err, CodeUnavailable)
	}
	_, err := g.Check(t.Context(), from(200, "another"))
	wantCode(t, err, "")
}

// Field fault 4: the first pause is short, and all clients are admitted when the back end is back.
func TestField04_TheFirstPauseIsShortAndGrows(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	address, asked := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"subject":"ann"}`)
	})
	g, now := callbackGate(t, CallbackConfig{URL: address})
	n := 0
	try := func() *Refusal {
		n++
		_, err := g.Check(t.Context(), from(n, fmt.Sprint("token", n)))
		if err == nil {
			return nil
		}
		return refusalOf(t, err)
	}
	for range 40 {
		try()
	}
	if asked.Load() >= 40 {
		t.Fatal("a back end that is away is asked every time")
	}
	first := try().RetryAfter
	if first <= 0 || first > time.Second {
		t.Errorf("the first pause is %v", first)
	}
	*now = now.Add(time.Second)
	for range 40 {
		try() // several are let through, and fail
	}
	if second := try().RetryAfter; second <= first || second > 10*time.Second {
		t.Errorf("the second pause is %v", second)
	}
	down.Store(false)
	*now = now.Add(10 * time.Second)
	for i := range 50 {
		if refusal := try(); refusal != nil {
			t.Fatalf("number %d after the outage: %v (%v)", i, refusal, refusal.Cause)
		}
	}
}

// Attack W3: credentials of one stranger that make the back end fail are no outage.
func TestAttackW3_AStrangersCredentialsDoNotRefuseEverybody(t *testing.T) {
	for name, status := range map[string]int{"500": 500, "502": 502, "504": 504, "no answer": 0} {
		t.Run(name, func(t *testing.T) {
			address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
				var q CallbackRequest
				_ = json.NewDecoder(r.Body).Decode(&q)
				if !strings.HasPrefix(q.Credential, "poison") {
					_, _ = io.WriteString(w, `{"subject":"ann"}`)
					return
				}
				if status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(status)
			})
			g, _ := callbackGate(t, CallbackConfig{URL: address})
			for i := range 50 {
				_, err := g.Check(t.Context(), from(7, fmt.Sprint("poison", i)))
				wantCode(t, err, CodeUnavailable)
			}
			_, err := g.Check(t.Context(), from(8, "honest"))
			wantCode(t, err, "")
			_, err = g.Check(t.Context(), from(7, "honest too, behind the same address"))
			wantCode(t, err, "")
		})
	}
	t.Run("500 from many addresses", func(t *testing.T) {
		address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
			var q CallbackRequest
			_ = json.NewDecoder(r.Body).Decode(&q)
			if strings.HasPrefix(q.Credential, "poison") {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_, _ = io.WriteString(w, `{"subject":"ann"}`)
		})
		g, _ := callbackGate(t, CallbackConfig{URL: address})
		for i := range 50 {
			_, err := g.Check(t.Context(), from(i, fmt.Sprint("poison", i)))
			wantCode(t, err, CodeUnavailable)
		}
		_, err := g.Check(t.Context(), from(99, "honest"))
		wantCode(t, err, "")
	})
}

// Field fault 13: the documented units are checked, and a wrong one is named.
func TestField13_AnswersOfABackEndAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		status            int
		kind, retry, body string
		want              Code
		cause             string
		least, most       time.Duration
	}{
		"a number for the subject":   {200, "application/json", "", `{"subject":42}`, CodeUnavailable, "subject", 0, time.Minute},
		"expiry in milliseconds":     {200, "application/json", "", `{"subject":"ann","expires_at":1772370000000}`, CodeUnavailable, "expires_at: 1772370000000 is not in Unix seconds", 0, time.Minute},
		"issue in milliseconds":      {200, "application/json", "", `{"subject":"ann","issued_at":1772366300000}`, CodeUnavailable, "issued_at: 1772366300000 is not in Unix seconds", 0, time.Minute},
		"an expiry before there was": {200, "application/json", "", `{"subject":"ann","expires_at":-1}`, CodeUnavailable, "expires_at", 0, time.Minute},
		"issued in the future":       {200, "application/json", "", fmt.Sprintf(`{"subject":"ann","issued_at":%d}`, noon.Add(time.Hour).Unix()), CodeUnavailable, "issued_at", 0, time.Minute},
		"HTML":                       {200, "text/html; charset=utf-8", "", `<html>Login</html>`, CodeUnavailable, `status 200, content type "text/html`, 0, time.Minute},
		"a redirect":                 {302, "text/html", "", ``, CodeUnavailable, "status 302", 0, time.Minute},
		"429 with Retry-After":       {429, "", "7", ``, CodeRateLimited, "status 429", 7 * time.Second, 7 * time.Second},
		"429 without":                {429, "", "", ``, CodeRateLimited, "status 429", time.Second, time.Minute},
		"503 with Retry-After":       {503, "", "3", ``, CodeUnavailable, "status 503", 3 * time.Second, 3 * time.Second},
		"503 with a date":            {503, "", noon.Add(4 * time.Second).Format(http.TimeFormat), ``, CodeUnavailable, "status 503", 4 * time.Second, 4 * time.Second},
		"a Retry-After of a year":    {503, "", "31536000", ``, CodeUnavailable, "status 503", time.Second, 5 * time.Minute},
		"a Retry-After of nobody":    {503, "", "soon", ``, CodeUnavailable, "status 503", time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				if c.retry != "" {
					w.Header().Set("Retry-After", c.retry)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			g, _ := callbackGate(t, CallbackConfig{URL: address})
			_, err := g.Check(t.Context(), auth("opaque-token"))
			wantCode(t, err, c.want, "opaque-token")
			refusal := refusalOf(t, err)
			if !strings.Contains(fmt.Sprint(refusal.Cause), c.cause) {
				t.Errorf("the cause is %v", refusal.Cause)
			}
			if refusal.RetryAfter < c.least || refusal.RetryAfter > c.most {
				t.Errorf("try again after %v", refusal.RetryAfter)
			}
		})
	}
}

// Field fault 13: the units of introspection answers are checked, too.
func TestField13_AnswersOfIntrospectionAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		status      int
		body, cause string
	}{
		"expiry in milliseconds": {200, `{"active":true,"sub":"ann","exp":1772370000000}`, "exp: 1772370000000 is not in Unix seconds"},
		"issue in milliseconds":  {200, `{"active":true,"sub":"ann","iat":1772366300000}`, "iat: 1772366300000 is not in Unix seconds"},
		"an expiry in words":     {200, `{"active":true,"sub":"ann","exp":"tomorrow"}`, "exp"},
		"HTML":                   {200, `<html>`, "content type"},
		"401 for us":             {401, `{}`, "status 401"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			g, _ := clockedGate(t, GateConfig{Introspection: IntrospectionConfig{URL: address, ClientID: "id", ClientSecret: "secret"}})
			_, err := g.Check(t.Context(), auth("opaque-token"))
			wantCode(t, err, CodeUnavailable, "opaque-token")
			if refusal := refusalOf(t, err); !strings.Contains(fmt.Sprint(refusal.Cause), c.cause) {
				t.Errorf("the cause is %v", refusal.Cause)
			}
		})
	}
}

// Field fault 20: an idle connection that the back end has closed causes no refusal.
func TestField20_ACallOnAJustClosedConnectionIsSentOnceMore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var read, cut atomic.Int32
	var all sync.WaitGroup
	all.Go(func() {
		for first := true; ; first = false {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { answerOnce(c, first, &read, &cut) })
		}
	})
	g, _ := callbackGate(t, CallbackConfig{URL: "http://" + listener.Addr().String()})
	for i := range 2 {
		_, err := g.Check(t.Context(), auth(fmt.Sprint("token", i)))
		wantCode(t, err, "")
	}
	if read.Load() != 3 || cut.Load() != 1 {
		t.Errorf("%d requests read, %d connections cut", read.Load(), cut.Load())
	}
	g.Close()
	_ = listener.Close()
	all.Wait()
}

// answerOnce answers each request on a connection; the first connection takes
// its second request and closes.
func answerOnce(c net.Conn, first bool, read, cut *atomic.Int32) {
	defer func() { _ = c.Close() }()
	from := bufio.NewReader(c)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		read.Add(1)
		if first && n == 2 {
			cut.Add(1)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"subject\":\"ann\"}")
	}
}
