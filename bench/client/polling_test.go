package client

import "testing"

func TestResponsesAreReadOnceTheyAreComplete(t *testing.T) {
	for name, text := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 5\r\n\r\n42[1]",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n3\r\n[1]\r\n0\r\n\r\n",
	} {
		for cut := range len(text) {
			if _, size, err := parseResponse([]byte(text[:cut])); err != nil || size != 0 {
				t.Errorf("%s cut at %d: size %d, error %v", name, cut, size, err)
			}
		}
		body, size, err := parseResponse([]byte(text + "HTTP/1.1"))
		if err != nil || size != len(text) || string(body) != "42[1]" {
			t.Errorf("%s: %d of %d bytes, body %q, error %v", name, size, len(text), body, err)
		}
	}
	if _, _, err := parseResponse([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); err == nil {
		t.Error("a refusal is no error")
	}
}
