package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Operation sends one event.
type Operation struct {
	Namespace string `json:"namespace"`
	Selection        // without any: everybody in the namespace
	Event     string `json:"event"`
	// Data is the one value of the event, Args are all its arguments. A configured namespace takes Data, and appends a
	// meta to it; elsewhere Data is short for Args with one element.
	Data json.RawMessage   `json:"data,omitempty"`
	Args []json.RawMessage `json:"args,omitempty"`
	// Attachments are binary values, in base64, in the place of {"_placeholder":true,"num":n} in Data or Args.
	Attachments [][]byte `json:"attachments,omitempty"`
	Volatile    bool     `json:"volatile,omitempty"` // may be dropped for clients that are behind
	Store       bool     `json:"store,omitempty"`    // keeps the event in the history of the one room that is named
	Ack         *Ack     `json:"ack,omitempty"`      // waits for the receivers' acknowledgements
}

// Ack asks for acknowledgements.
type Ack struct {
	Timeout int `json:"timeout"` // how long to wait for acknowledgements, in milliseconds
}

// Published is the answer to operations.
type Published struct {
	OK      bool     `json:"ok"`
	Queued  int      `json:"queued"`  // sockets of this node that were reached, by all operations
	Results []Result `json:"results"` // one for each operation, in their order
}

// Result is the result of one operation.
type Result struct {
	Queued  int      `json:"queued"`            // for how many sockets of this node
	ID      string   `json:"id,omitempty"`      // the message's id, as in its meta
	Answers []Answer `json:"answers,omitempty"` // with ack
	Missing int      `json:"missing,omitempty"` // with ack: how many have not answered in time
}

// Answer is the acknowledgement of one socket.
type Answer struct {
	Socket      string            `json:"socket,omitempty"`
	Args        []json.RawMessage `json:"args"`
	Attachments [][]byte          `json:"attachments,omitempty"`
}

const (
	mostOperations = 1000
	mostBody       = 4 << 20 // bytes
	longestAck     = 30 * time.Second
)

func (a *API) publish(w http.ResponseWriter, r *http.Request) error {
	text, err := body(w, r, mostBody)
	if err != nil {
		return err
	}
	caller := callerOf(r)
	key := r.Header.Get("Idempotency-Key")
	switch {
	case len(key) > longestIdempotencyKey:
		return fail(CodeBadRequest, "Idempotency-Key: has more than %d bytes", longestIdempotencyKey)
	case key != "":
		return a.publishOnce(w, r, caller, key, text)
	}
	answer, err := a.carryOut(r.Context(), caller, text)
	if err == nil {
		write(w, http.StatusOK, answer)
	}
	return err
}

// publishOnce answers a repeated request with the answer to the first one.
func (a *API) publishOnce(w http.ResponseWriter, r *http.Request, caller *Caller, key string, text []byte) error {
	digest, kept := sha256.Sum256(text), a.replaysOf(caller)
	for {
		p, first := kept.begin(key, digest)
		if first {
			var answer []byte
			defer func() { kept.end(p, answer) }()
			done, err := a.carryOut(r.Context(), caller, text)
			if err == nil {
				answer = done
				write(w, http.StatusOK, done)
			}
			return err
		}
		if p.digest != digest {
			return fail(CodeConflict, "Idempotency-Key: came with another request before")
		}
		select {
		case <-p.done:
		case <-r.Context().Done():
			return fail(CodeUnavailable, "the first request with this Idempotency-Key is not done yet")
		}
		if p.answer != nil {
			w.Header().Set("Idempotency-Replayed", "true")
			write(w, http.StatusOK, p.answer)
			return nil
		}
	}
}

// replaysOf returns the remembered answers of a caller.
func (a *API) replaysOf(caller *Caller) *replays {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.replays[caller.name]
	if kept == nil {
		kept = newReplays(time.Now)
		a.replays[caller.name] = kept
	}
	return kept
}

// carryOut checks all operations, then does them in their order.
func (a *API) carryOut(ctx context.Context, caller *Caller, text []byte) ([]byte, error) {
	operations, err := operationsOf(text)
	if err != nil {
		return nil, err
	}
	tasks, err := a.plan(ctx, caller, operations)
	if err != nil {
		return nil, err
	}
	out := Published{OK: true, Results: make([]Result, len(tasks))}
	for i := range tasks {
		if out.Results[i], err = tasks[i].run(ctx); err != nil {
			var why *Reason
			if errors.As(err, &why) {
				why.Done = i
			}
			return nil, err
		}
		out.Queued += out.Results[i].Queued
	}
	return json.Marshal(out)
}

// operationsOf reads one operation, or a list of them.
func operationsOf(text []byte) ([]Operation, error) {
	if len(text) == 0 || text[0] != '[' {
		var one Operation
		err := decode(text, &one)
		return []Operation{one}, err
	}
	var many []Operation
	if err := decode(text, &many); err != nil {
		return nil, err
	}
	if n := len(many); n == 0 || n > mostOperations {
		return nil, fail(CodeBadRequest, "a list has 1 to %d operations, not %d", mostOperations, n)
	}
	for i := range many {
		if many[i].Ack != nil && len(many) > 1 {
			return nil, fail(CodeBadRequest, "operations[%d].ack: what waits for acknowledgements comes alone", i)
		}
	}
	return many, nil
}

// task is an operation that has been checked.
type task struct {
	ns     *namespaces.Namespace
	op     *Operation
	to     namespaces.Broadcast
	nobody bool
	args   packet.Args
	ruled  Ruled
	meta   *Meta // set in a configured namespace
}

func (a *API) plan(ctx context.Context, caller *Caller, operations []Operation) ([]task, error) {
	tasks, known := make([]task, len(operations)), &users{api: a}
	for i := range operations {
		t, err := a.task(ctx, caller, &operations[i], known)
		if err != nil {
			var why *Reason
			if len(operations) > 1 && errors.As(err, &why) {
				err = fail(why.Code, "operations[%d]: %s", i, why.Message)
			}
			return nil, err
		}
		tasks[i] = t
	}
	return tasks, nil
}

// task checks one operation.
func (a *API) task(ctx context.Context, caller *Caller, op *Operation, known *users) (t task, err error) {
	if t.ns, err = a.find(ctx, caller, op.Namespace); err != nil {
		return t, err
	}
	t.op, t.ruled = op, a.ruled(op.Namespace)
	if err := op.check(t.ruled != nil); err != nil {
		return t, err
	}
	if t.to, t.nobody, err = known.selected(ctx, t.ns, t.ruled, &op.Selection); err != nil {
		return t, err
	}
	if op.Volatile {
		t.to = t.to.Volatile()
	}
	values := op.Args
	if op.Data != nil {
		values = []json.RawMessage{op.Data}
	}
	if t.args, err = packet.ParseArgs(values, op.Attachments, packet.Limits{}); err != nil {
		return t, fail(CodeBadRequest, "data, args and attachments: %s", err)
	}
	if t.ruled != nil {
		t.meta = &Meta{From: caller.name, Name: caller.name, ID: rand.Text(), At: time.Now().UnixMilli()}
		if len(op.Rooms) == 1 && op.Users == nil && op.Sockets == nil {
			t.meta.Room, err = t.ruled.RoomName(op.Rooms[0])
		}
	}
	if err == nil && op.Store && !t.ruled.Remembers(op.Namespace, t.meta.Room) {
		err = fail(CodeBadRequest, "store: no rule with history fits the room %s", shown(t.meta.Room))
	}
	return t, err
}

// check validates an operation as far as possible without the namespace's sockets.
func (op *Operation) check(ruled bool) error {
	if err := namespaces.CheckEvent(op.Event); err != nil {
		return fail(CodeBadRequest, "event: %s is missing or belongs to the server", shown(op.Event))
	}
	if len(op.Event) > packet.DefaultMaxEventName {
		return fail(CodeBadRequest, "event: has more than %d bytes", packet.DefaultMaxEventName)
	}
	alone := len(op.Rooms) == 1 && op.Users == nil && op.Sockets == nil && op.Except == nil
	switch {
	case op.Data != nil && op.Args != nil:
		return fail(CodeBadRequest, "data and args: send one of them")
	case ruled && op.Args != nil:
		return fail(CodeBadRequest, "args: a namespace of the configuration takes data, one value")
	case ruled && op.Data == nil:
		op.Data = json.RawMessage("null")
	case op.Store && !ruled:
		return fail(CodeBadRequest, "store: only rooms of a namespace of the configuration remember")
	}
	switch {
	case op.Store && (!alone || op.Volatile || op.Ack != nil):
		return fail(CodeBadRequest, "store: is for one room alone, without except, volatile and ack")
	case op.Ack != nil && (op.Ack.Timeout < 1 || op.Ack.Timeout > int(longestAck.Milliseconds())):
		return fail(CodeBadRequest, "ack.timeout: is from 1 to %d milliseconds", longestAck.Milliseconds())
	case op.Ack != nil && op.Volatile:
		return fail(CodeBadRequest, "ack: what may be dropped cannot be waited for")
	}
	return nil
}

// run does what was planned.
func (t *task) run(ctx context.Context) (out Result, err error) {
	if t.nobody {
		return out, nil
	}
	out.Queued = t.to.Count()
	args := []any{t.args}
	if t.meta != nil {
		out.ID = t.meta.ID
		args = append(args, t.meta)
	}
	switch {
	case t.op.Store:
		err = t.ruled.Publish(ctx, t.ns, t.meta.Room, t.op.Event, t.op.Data, t.args, t.meta)
	case t.op.Ack != nil:
		return out, t.ask(ctx, args, &out)
	default:
		err = t.to.Within(ctx).Emit(t.op.Event, args...)
	}
	return out, asReason(err)
}

// ask waits for acknowledgements. Missing acknowledgements are no error.
func (t *task) ask(ctx context.Context, args []any, out *Result) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(t.op.Ack.Timeout)*time.Millisecond)
	defer cancel()
	answers, err := t.to.EmitAck(ctx, t.op.Event, args...)
	if err != nil && ctx.Err() == nil && !errors.As(err, new(*namespaces.LostNodes)) {
		return asReason(err)
	}
	out.Missing = answers.Missing
	for _, reply := range answers.Replies {
		one := Answer{Socket: reply.Socket, Args: []json.RawMessage{}, Attachments: reply.Args.Attachments()}
		for i := range reply.Args.Len() {
			one.Args = append(one.Args, reply.Args.Raw(i))
		}
		out.Answers = append(out.Answers, one)
	}
	return nil
}
