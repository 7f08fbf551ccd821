package ringhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// isWatch reports whether a request asks for a stream of changes, which counts and ends otherwise than others.
func isWatch(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, keysPath) && r.URL.Query().Has("watch")
}

// watch streams the changes of a key as server-sent events (WHATWG HTML, section 9.2). A client that was cut off resumes with the
// id of the last event, as ?since= or Last-Event-ID.
func (h *Handler) watch(w http.ResponseWriter, r *http.Request, key string) error {
	q := parseQuery(r, "watch", "since")
	since := q.values.Get("since")
	if since == "" {
		since = r.Header.Get("Last-Event-ID")
	}
	if !q.flag("watch") {
		q.fail("parameter watch: want 1")
	}
	if since != "" && !validTag(since) {
		q.fail("parameter since: this is no version")
	}
	if q.err != nil {
		return q.err
	}
	stream := &eventStream{w: w, control: http.NewResponseController(w)}
	defer stream.keepAlive(h.config.KeepAlive)()
	err := h.service.Watch(r.Context(), key, since, func(change *ringapi.Get) error {
		return stream.event("change", change.Version, listed(change))
	})
	if r.Context().Err() != nil || errors.Is(err, errStreamBroken) {
		return nil // nobody is there to be told
	}
	if err == nil {
		err = &ringapi.Error{Code: ringapi.TooFew, Message: "the node ends"}
	}
	if !stream.begun() {
		return err // with its own status
	}
	_, document := statusOf(err)
	_ = stream.event("error", "", document) // the stream ends either way
	return nil
}

var errStreamBroken = errors.New("the watching client has gone")

// eventStream writes events and the comments between them.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController

	mu      sync.Mutex // one writer at a time: a change, or the clock
	started bool
	ended   bool
}

// begun reports whether something was written, so that it is too late for a status, and takes care that the clock writes no more.
func (s *eventStream) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = !s.started
	return s.started
}

// event writes one event. Its document is one line, as JSON is.
func (s *eventStream) event(name, id string, document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("writing a change as JSON: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", name)
	if name == "change" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "data: %s\n\n", text)
	return s.write(b.Bytes())
}

// write sends a part of the stream, the head before the first. A reader that takes nothing for a minute has gone.
func (s *eventStream) write(part []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errStreamBroken
	}
	if !s.started {
		s.started = true
		s.w.Header().Set("Content-Type", "text/event-stream")
		s.w.WriteHeader(http.StatusOK)
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // where the transport has one
	if _, err := s.w.Write(part); err != nil {
		return errStreamBroken
	}
	if err := s.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errStreamBroken
	}
	return nil
}

// keepAlive writes a comment whenever the interval has passed, the first within a second, so that the client knows that it
// watches. It goes on until the returned function is called, which waits for its end.
func (s *eventStream) keepAlive(every time.Duration) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		next := time.NewTimer(min(every, time.Second))
		defer next.Stop()
		for {
			select {
			case <-done:
				return
			case <-next.C:
				next.Reset(every)
			}
			if s.write([]byte(": still here\n\n")) != nil {
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
