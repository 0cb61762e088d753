package server_test

import (
	"bytes"
	"strings"
	"testing"

	"gatehouse/server"
)

func TestTheLevelOfALogCanBeChanged(t *testing.T) {
	var text bytes.Buffer
	log, out, err := server.NewLogger(server.Log{Level: "warn"}, &text)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not yet")
	if err := out.SetLevel("debug"); err != nil {
		t.Fatal(err)
	}
	log.Debug("now")
	if err := out.SetLevel("loud"); err == nil {
		t.Error("there is no such level")
	}
	log.Debug("still")
	if err := out.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); strings.Contains(got, "not yet") || !strings.Contains(got, "now") || !strings.Contains(got, "still") {
		t.Errorf("the log is %s", got)
	}
}
