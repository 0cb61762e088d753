package engine

import (
	"net/http"
	"strings"
	"testing"
)

// A further request that the owner refuses does not touch its session.
func TestLaterRequestsCanBeRefusedWithoutHarmToTheSession(t *testing.T) {
	asked := make(chan string, 16)
	r := newRig(t, Config{CheckLater: func(req *http.Request, h Handler) *Refusal {
		asked <- req.Method
		if h == nil {
			t.Error("no handler")
		}
		if req.Header.Get("Authorization") != "" {
			return &Refusal{Status: http.StatusForbidden, Code: codeForbidden, Message: "another user"}
		}
		return nil
	}})
	c := r.dialPolling(t)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		got, _ := r.request(t, method, "EIO=4&transport=polling&sid="+c.SID(), http.Header{"Authorization": {"Bearer x"}})
		if !strings.Contains(got, `403 application/json {"code":4,"message":"another user"}`) {
			t.Errorf("%s: %s", method, got)
		}
		if said := await(t, asked); said != method {
			t.Errorf("asked about a %s", said)
		}
	}
	header := websocketHeader.Clone()
	header.Set("Authorization", "Bearer x")
	if got, _ := r.request(t, http.MethodGet, "EIO=4&transport=websocket&sid="+c.SID(), header); !strings.HasPrefix(got, "403 ") {
		t.Errorf("upgrade: %s", got)
	}
	check(t, c.send("4still here"))
}
