package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestARememberedAnswerIsNotWrittenInto(t *testing.T) {
	room := []byte(`{"ok":true}.`)
	w := httptest.NewRecorder()
	write(w, http.StatusOK, room[:len(room)-1])
	if got := w.Body.String(); got != "{\"ok\":true}\n" {
		t.Errorf("the answer is %q", got)
	}
	if string(room) != `{"ok":true}.` {
		t.Errorf("what is behind the answer is now %q", room)
	}
}
