package ringnode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// alone starts a ring of one host that answers programs, and dials it.
func alone(t *testing.T) (*live, *Client) {
	t.Helper()
	l := start(t, Config{Replicas: 1, Handler: echoAccess})
	c, err := Dial(t.Context(), l.Listen().String(), l.Token())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return l, c
}

func codeIs(err error, code ringapi.Code) bool {
	var e *ringapi.Error
	return errors.As(err, &e) && e.Code == code
}

// Many goroutines ask over one connection at once, more than a stream has places for, and each gets its own answer.
func TestCallsAtOnce(t *testing.T) {
	l, c := alone(t)
	var all sync.WaitGroup
	for i := range 3 * maxCalls {
		all.Go(func() {
			key, value := fmt.Sprint("key", i), bytes.Repeat([]byte{byte(i)}, i*i)
			put, err := c.Put(t.Context(), key, value, ringapi.PutOptions{IfVersion: ringapi.None})
			if err != nil || put.Key != key || put.Acks != 1 || len(put.Replicas) != 1 {
				t.Errorf("put %s: %+v, %v", key, put, err)
				return
			}
			got, err := c.Get(t.Context(), key, ringapi.GetOptions{AtLeast: put.Version})
			if err != nil || !bytes.Equal(got.Value, value) || got.Value == nil || got.Version != put.Version || got.Key != key {
				t.Errorf("get %s: %d bytes, %v", key, len(got.Value), err)
				return
			}
			if _, err := c.Put(t.Context(), key, value, ringapi.PutOptions{IfVersion: ringapi.None}); !codeIs(err, ringapi.Conflict) {
				t.Errorf("put %s again: %v", key, err)
			}
			if _, err := c.Delete(t.Context(), key, put.Version); err != nil {
				t.Errorf("delete %s: %v", key, err)
			}
			if _, err := c.Get(t.Context(), key, ringapi.GetOptions{}); !codeIs(err, ringapi.NotFound) {
				t.Errorf("get %s: %v", key, err)
			}
		})
	}
	all.Wait()
	large := make([]byte, ringapi.MaxValue)
	if _, err := c.Put(t.Context(), "large", large, ringapi.PutOptions{TTL: time.Hour}); err != nil {
		t.Error(err)
	}
	if got, err := c.Get(t.Context(), "large", ringapi.GetOptions{}); err != nil || len(got.Value) != len(large) || got.TTL == nil || *got.TTL > 3600 {
		t.Errorf("the largest value: %v", err)
	}
	for what, err := range map[string]error{
		"no key":            errorOf(c.Get(t.Context(), "", ringapi.GetOptions{})),
		"a long key":        errorOf(c.Get(t.Context(), strings.Repeat("k", ringapi.MaxKey+1), ringapi.GetOptions{})),
		"a made up version": errorOf(c.Put(t.Context(), "k", nil, ringapi.PutOptions{IfVersion: "x y"})),
		"a negative time":   errorOf(c.Put(t.Context(), "k", nil, ringapi.PutOptions{TTL: -time.Second})),
		"the ring's own":    errorOf(c.Delete(t.Context(), tokensKey, "")),
	} {
		if !codeIs(err, ringapi.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.Put(t.Context(), "k", append(large, 0), ringapi.PutOptions{}); !codeIs(err, ringapi.TooLarge) {
		t.Errorf("a value beyond the limit: %v", err)
	}
	if n := l.callBytes.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func errorOf[T any](_ *T, err error) error { return err }

// hold keeps the disk from taking writes until the function that it returns is called.
func (l *live) hold(t *testing.T) (release func()) {
	t.Helper()
	tx, err := l.store.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { tx.Rollback() })
}

// raw opens a stream of calls by hand.
func raw(t *testing.T, c *Client) (conn *quic.Conn, ask func(...*ringwire.Call), answer func() *ringwire.Reply) {
	t.Helper()
	conn, s, err := c.open(t.Context(), streamCall)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(s)
	return conn, func(calls ...*ringwire.Call) {
			var b []byte
			for _, call := range calls {
				b = ringwire.AppendFrame(b, frameCall, call.Append(nil))
			}
			if _, err := s.Write(b); err != nil {
				t.Error(err)
			}
		}, func() *ringwire.Reply {
			_, payload, err := ringwire.ReadFrame(in, ringwire.MaxReplyFrame, nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := ringwire.ParseReply(payload)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
}

func putCall(id uint64) *ringwire.Call {
	return &ringwire.Call{Kind: ringwire.CallPut, ID: id, Key: fmt.Sprint("key", id), Value: []byte("v")}
}

// A stream has places for maxCalls; what is beyond is refused, and a call that is taken back makes room.
func TestCallsBound(t *testing.T) {
	l, c := alone(t)
	release := l.hold(t)
	defer release()
	_, ask, answer := raw(t, c)
	for id := range uint64(maxCalls) {
		ask(putCall(id))
	}
	ask(putCall(1000))
	if p := answer(); p.ID != 1000 || p.Code != string(ringapi.Busy) {
		t.Errorf("one call too many: %+v", p)
	}
	ask(putCall(5))
	if p := answer(); p.ID != 5 || p.Code != string(ringapi.Invalid) {
		t.Errorf("a number that is taken: %+v", p)
	}
	ask(&ringwire.Call{Kind: ringwire.CallCancel, ID: 7}, putCall(1001))
	release()
	seen := map[uint64]bool{}
	for range maxCalls {
		p := answer()
		if p.Code != "" || seen[p.ID] {
			t.Errorf("the answer of %d: %+v", p.ID, p)
		}
		seen[p.ID] = true
	}
	if !seen[1001] || seen[7] {
		t.Error("the call that was taken back was answered, or the one in its place was not")
	}
}

// A program's end takes its calls back; so does that of a call's context.
func TestCallsEnd(t *testing.T) {
	l, c := alone(t)
	release := l.hold(t)
	defer release()
	pending := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.ops)
	}
	until := func(n int) {
		eventually(t, "pending operations", func() error {
			if got := pending(); got != n {
				return fmt.Errorf("%d operations, want %d", got, n)
			}
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- errorOf(c.Put(ctx, "a", []byte("v"), ringapi.PutOptions{})) }()
	until(1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a put that was given up: %v", err)
	}
	until(0)
	go func() { ended <- errorOf(c.Put(t.Context(), "b", []byte("v"), ringapi.PutOptions{})) }()
	until(1)
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	conn.CloseWithError(codeDone, "")
	if err := <-ended; !codeIs(err, ringapi.TooFew) { // it may have happened: it is not repeated
		t.Errorf("a put whose connection broke: %v", err)
	}
	until(0)
	release()
	if _, err := c.Get(t.Context(), "nothing", ringapi.GetOptions{}); !codeIs(err, ringapi.NotFound) { // over a new connection
		t.Errorf("a get after the connection broke: %v", err)
	}
	if n := l.callBytes.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// What is no call ends the connection and is counted.
func TestCallsMalformed(t *testing.T) {
	l, c := alone(t)
	for name, b := range map[string][]byte{
		"no call":    ringwire.AppendFrame(nil, frameCall, []byte{0xff}),
		"too large":  {0x7f, 0, 0, 0, frameCall},
		"other kind": ringwire.AppendFrame(nil, frameMessage, putCall(1).Append(nil)),
	} {
		before := l.counters.malformed.Load()
		conn, s, err := c.open(t.Context(), streamCall)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(b); err != nil {
			t.Error(err)
		}
		<-conn.Context().Done()
		var app *quic.ApplicationError
		if err := context.Cause(conn.Context()); !errors.As(err, &app) || app.ErrorCode != codeProtocol || l.counters.malformed.Load() != before+1 {
			t.Errorf("%s: %v, %d counted", name, err, l.counters.malformed.Load()-before)
		}
	}
}

// A connection outlives its token's right by no call.
func TestCallsRefused(t *testing.T) {
	l, c := alone(t)
	token, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Dial(t.Context(), l.Listen().String(), token.Token)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Put(t.Context(), "k", []byte("v"), ringapi.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := l.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), "k", ringapi.GetOptions{}); !codeIs(err, ringapi.Denied) {
		t.Errorf("after its token was revoked: %v", err)
	}
	if _, err := c.Get(t.Context(), "k", ringapi.GetOptions{}); err != nil {
		t.Errorf("another token's connection: %v", err)
	}
}
