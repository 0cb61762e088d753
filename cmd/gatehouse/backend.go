package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// envURL and envKey name the address of the interface for back ends and its
// key; they are no keys of the configuration.
const (
	envURL = envPrefix + "API_URL"
	envKey = envPrefix + "API_KEY"
)

const (
	askTimeout = 40 * time.Second // longer than acknowledgements may take
	mostAnswer = 64 << 20         // bytes
)

// apiFlags are what every command of a back end shares.
type apiFlags struct {
	URL       string `name:"url" placeholder:"URL" help:"Address of the server, such as https://realtime.example.com. Also GATEHOUSE_API_URL; default http://127.0.0.1:3000."`
	Key       string `placeholder:"KEY" help:"One of api.keys, or the operators' key. Better as GATEHOUSE_API_KEY: other users of the machine can read command lines."`
	Namespace string `required:"" placeholder:"NAME" help:"The namespace, such as /app."`
}

// chosenFlags name sockets.
type chosenFlags struct {
	Room   []string `sep:"none" placeholder:"ROOM" help:"Sockets in this room; may be repeated."`
	User   []string `sep:"none" placeholder:"NAME" help:"Sockets of this user; may be repeated."`
	Socket []string `sep:"none" placeholder:"ID" help:"The socket with this id; may be repeated."`
	Except []string `sep:"none" placeholder:"ROOM" help:"But not those in this room; may be repeated."`
}

// into writes the choice into the body of a request.
func (c chosenFlags) into(body map[string]any) {
	for key, names := range map[string][]string{"rooms": c.Room, "users": c.User, "sockets": c.Socket, "except": c.Except} {
		if len(names) > 0 {
			body[key] = names
		}
	}
}

// emitCommand sends an event.
type emitCommand struct {
	apiFlags
	chosenFlags

	Volatile bool          `help:"May be dropped for clients that are behind."`
	Store    bool          `help:"Keep it in the history of the one room that is named."`
	Ack      time.Duration `placeholder:"DURATION" help:"Wait so long for acknowledgements, such as 5s, and print them."`
	Event    string        `arg:"" help:"Name of the event."`
	Data     string        `arg:"" optional:"" help:"Its value as JSON; what is no JSON is a text."`
}

// Run prints how many sockets of the node the event was queued for.
func (c *emitCommand) Run(p *program) error {
	body := map[string]any{"namespace": c.Namespace, "event": c.Event}
	c.into(body)
	if c.Data != "" {
		body["data"] = jsonOrText(c.Data)
	}
	if c.Volatile {
		body["volatile"] = true
	}
	if c.Store {
		body["store"] = true
	}
	if c.Ack != 0 {
		body["ack"] = map[string]any{"timeout": c.Ack.Milliseconds()}
	}
	answer, err := c.ask(p, http.MethodPost, "publish", body)
	if err != nil {
		return err
	}
	return p.printJSON(answer, c.Ack == 0)
}

// socketsCommand lists sockets.
type socketsCommand struct {
	apiFlags

	Room  string `placeholder:"ROOM" help:"Only those in this room."`
	User  string `placeholder:"NAME" help:"Only those of this user."`
	Limit int    `default:"1000" placeholder:"N" help:"At most so many (default ${default})."`
}

// Run prints a line of JSON for each socket.
func (c *socketsCommand) Run(p *program) error {
	query := url.Values{}
	if c.Room != "" {
		query.Set("room", c.Room)
	}
	if c.User != "" {
		query.Set("user", c.User)
	}
	const most = 1000 // of a page
	for left := c.Limit; left > 0; {
		query.Set("limit", strconv.Itoa(min(left, most)))
		text, err := c.ask(p, http.MethodGet, c.path("sockets")+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		var page struct {
			Sockets []json.RawMessage
			Cursor  string
			Missing []string
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		for _, one := range page.Sockets {
			if _, err := fmt.Fprintln(p.stdout, string(one)); err != nil {
				return err
			}
		}
		if len(page.Missing) > 0 {
			_, _ = fmt.Fprintln(p.stderr, "gatehouse: warning: these nodes did not answer:", strings.Join(page.Missing, ", "))
		}
		if page.Cursor == "" {
			return nil
		}
		query.Set("cursor", page.Cursor)
		left -= len(page.Sockets)
	}
	return nil
}

// disconnectCommand disconnects sockets.
type disconnectCommand struct {
	apiFlags
	chosenFlags

	All            bool `help:"All sockets of the namespace."`
	CloseTransport bool `help:"Close their connections too, with their other namespaces."`
}

// Run prints how many sockets of the node were named.
func (c *disconnectCommand) Run(p *program) error {
	body := map[string]any{}
	c.into(body)
	if c.All {
		body["all"] = true
	}
	if c.CloseTransport {
		body["closeTransport"] = true
	}
	answer, err := c.ask(p, http.MethodPost, c.path("disconnect"), body)
	if err != nil {
		return err
	}
	return p.printJSON(answer, true)
}

// path returns the path of a resource of the namespace.
func (f apiFlags) path(what string) string {
	return "namespaces/" + url.PathEscape(f.Namespace) + "/" + what
}

// jsonOrText takes a value that is no JSON for a text.
func jsonOrText(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}

// printJSON prints an answer. For a single operation it leaves out the list,
// which would repeat the figures.
func (p *program) printJSON(text []byte, brief bool) error {
	if brief {
		var all map[string]any
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		delete(all, "ok")
		delete(all, "results")
		short, err := json.Marshal(all)
		if err != nil {
			return err
		}
		text = short
	}
	_, err := fmt.Fprintln(p.stdout, string(bytes.TrimSpace(text)))
	return err
}

// ask makes one request to the interface for back ends.
func (f apiFlags) ask(p *program, method, path string, body any) ([]byte, error) {
	key, base := f.Key, f.URL
	if key == "" {
		key = p.env.value(envKey)
	}
	if base == "" {
		base = p.env.value(envURL)
	}
	if base == "" {
		base = "http://127.0.0.1:3000"
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(p.ctx, method, strings.TrimSuffix(base, "/")+"/api/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	client := &http.Client{
		Timeout: askTimeout,
		// The key is for the server that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the server redirects; give the final address as --url")
		},
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	return answer, said(resp, answer)
}

// said returns the error of an answer, if the answer is one.
func said(resp *http.Response, answer []byte) error {
	var failed struct {
		Error struct{ Code, Message string }
	}
	err := json.Unmarshal(answer, &failed)
	switch {
	case resp.StatusCode == http.StatusOK && err == nil:
		return nil
	case failed.Error.Code == "unauthenticated":
		return errors.New("unauthenticated: give --key, or better " + envKey + ", with one of the server's api.keys")
	case failed.Error.Code != "":
		return fmt.Errorf("%s: %s", failed.Error.Code, failed.Error.Message)
	}
	return fmt.Errorf("the server answers %s; it has no api.keys, or --url leads elsewhere", resp.Status)
}
