package ringhttp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// How a watch that was cut off begins again: quickly at first, since a node restarts in a second, and not for ever.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	maxRetries = 12 // in a row without an event or a sign of life: about 40 s
)

// Watch implements Service. A stream that breaks off is begun again after the last change that was told; only that the first
// one cannot be begun is an error at once.
func (c *Client) Watch(ctx context.Context, key string, since string, each func(*ringapi.Get) error) error {
	if err := checkKey(key); err != nil {
		return err
	}
	w := &watching{client: c, key: key, since: since, each: each}
	failures := -1 // before the first stream
	for {
		alive, err := w.stream(ctx)
		var again *retryError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &again):
			return err
		case alive:
			failures = 0
		case failures < 0 || failures >= maxRetries:
			return again.err
		}
		wait := time.NewTimer(min(firstRetry<<failures, lastRetry))
		failures++
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
}

// retryError marks an end of a stream after which it is worth to begin another.
type retryError struct{ err error }

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// watching is one Watch over all its streams.
type watching struct {
	client *Client
	key    string
	since  string // version of the last change that was told
	each   func(*ringapi.Get) error
}

// stream reads one stream to its end. alive says that it was begun.
func (w *watching) stream(ctx context.Context) (alive bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The head comes with the first sign of life: silence before it counts too.
	silence := time.AfterFunc(w.client.config.WatchIdle, cancel)
	defer silence.Stop()
	q := url.Values{"watch": {"1"}}
	if w.since != "" {
		q.Set("since", w.since)
	}
	resp, err := w.client.send(ctx, request{method: http.MethodGet, path: keyPath(w.key), query: q,
		header: http.Header{"Accept": {"text/event-stream"}}})
	if err != nil {
		return false, w.ended(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		e, err := readEvent(lines, func() { silence.Reset(w.client.config.WatchIdle) })
		if err != nil {
			return true, &retryError{w.client.lost(context.WithoutCancel(ctx), err)}
		}
		if err := w.take(e); err != nil {
			return true, err
		}
	}
}

// ended tells the failures that pass from those that stay.
func (w *watching) ended(err error) error {
	var known *ringapi.Error
	if errors.Is(err, context.Canceled) { // by the silence: the caller looks at its own context first
		err = w.client.lost(context.Background(), errors.New("no sign of life"))
	}
	if errors.As(err, &known) && known.Code != ringapi.TooFew && known.Code != ringapi.Busy {
		return err
	}
	return &retryError{err}
}

// take hands one event on.
func (w *watching) take(e sseEvent) error {
	switch e.name {
	case "change":
		change := new(ringapi.Get)
		if err := json.Unmarshal(e.data, change); err != nil {
			return &ringapi.Error{Code: ringapi.Failed, Message: "the node tells a change that is no document: " + err.Error()}
		}
		change.Key = w.key
		if err := w.each(change); err != nil {
			return err
		}
		w.since = change.Version
	case "error":
		document := new(ringapi.Error)
		if err := json.Unmarshal(e.data, document); err != nil || statuses[document.Code] == 0 {
			return &ringapi.Error{Code: ringapi.Failed, Message: "the node ended the watch without saying why"}
		}
		return w.ended(document)
	}
	return nil // other events are a later version's
}

// sseEvent is one server-sent event.
type sseEvent struct {
	name string
	data []byte
}

var errEventTooLong = fmt.Errorf("an event is longer than %d MiB", maxDocument>>20)

// readEvent reads lines until an event is whole. Each line that comes, a comment too, is a sign of life.
func readEvent(r *bufio.Reader, alive func()) (sseEvent, error) {
	var e sseEvent
	for {
		line, err := readLine(r, maxDocument-len(e.data))
		if err != nil {
			return e, err
		}
		alive()
		if len(line) == 0 {
			if e.name != "" || e.data != nil {
				return e, nil
			}
			continue
		}
		field, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			e.data = append(e.data, value...)
		}
	}
}

// readLine reads one line of at most limit bytes, without its end.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return nil, errEventTooLong
		case err == nil:
			return []byte(strings.TrimRight(string(line), "\r\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
