package ringhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// statuses are those of the codes; a statusError may name another that fits better.
var statuses = map[ringapi.Code]int{
	ringapi.NotFound: http.StatusNotFound,
	ringapi.Conflict: http.StatusConflict,
	ringapi.TooFew:   http.StatusServiceUnavailable,
	ringapi.Denied:   http.StatusUnauthorized,
	ringapi.Invalid:  http.StatusBadRequest,
	ringapi.TooLarge: http.StatusRequestEntityTooLarge,
	ringapi.Busy:     http.StatusTooManyRequests,
	ringapi.Failed:   http.StatusInternalServerError,
}

// statusError is an error with a status other than that of its code.
type statusError struct {
	status int
	err    *ringapi.Error
}

func (e *statusError) Error() string { return e.err.Message }
func (e *statusError) Unwrap() error { return e.err }

var errNoSuchPath = &statusError{http.StatusNotFound, &ringapi.Error{Code: ringapi.Invalid, Message: "there is no such path",
	Hint: "values are at /v1/keys/KEY"}}

// invalid is a fault of the request.
func invalid(format string, args ...any) *ringapi.Error {
	return &ringapi.Error{Code: ringapi.Invalid, Message: fmt.Sprintf(format, args...)}
}

// statusOf makes status and document of an error. What a service should not have returned is told as a failure of its own.
func statusOf(err error) (int, *ringapi.Error) {
	var special *statusError
	if errors.As(err, &special) {
		return special.status, special.err
	}
	var known *ringapi.Error
	if errors.As(err, &known) {
		if status, ok := statuses[known.Code]; ok {
			return status, known
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return http.StatusServiceUnavailable, &ringapi.Error{Code: ringapi.TooFew, Message: "the node did not finish: " + err.Error()}
	}
	return http.StatusInternalServerError, &ringapi.Error{Code: ringapi.Failed, Message: err.Error()}
}

// refuse answers with the document of an error. After the answer has begun it changes nothing but the connection's end.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	status, document := statusOf(err)
	if document.Code == ringapi.Failed {
		h.config.Log.Error("a request of the ring's API failed", "err", document.Message)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	setETag(w, document.Version)
	answer(w, status, document)
}

// answer writes a document with a status.
func answer(w http.ResponseWriter, status int, document any) {
	text, err := json.Marshal(document)
	if err != nil { // no document of ours can fail; say so rather than send half of one
		status, text = http.StatusInternalServerError, []byte(`{"code":"failed","message":"the answer cannot be written as JSON"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", fmt.Sprint(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone needs no answer
}

// setETag tells a version as the entity's tag (RFC 9110, section 8.8.3: visible characters without a quotation mark).
func setETag(w http.ResponseWriter, version string) {
	if validTag(version) {
		w.Header().Set("ETag", `"`+version+`"`)
	}
}

func validTag(version string) bool {
	for i := range len(version) {
		if c := version[i]; c <= ' ' || c > '~' || c == '"' {
			return false
		}
	}
	return version != ""
}

// RefuseNotReady answers a request for a node that is no member of its ring yet.
func RefuseNotReady(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusServiceUnavailable, &ringapi.Error{Code: ringapi.TooFew, Message: "the node is not yet a member of its ring", Hint: "try again in a second"})
}

// RefuseUndecided answers a request whose token the ring cannot be asked about just now.
func RefuseUndecided(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusServiceUnavailable, &ringapi.Error{Code: ringapi.TooFew, Message: "the node cannot tell yet whether the token is good",
		Hint: "too few of the nodes that know it answer; try again in a moment"})
}
