package ringhttp

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// octets is the content type of a bare value.
const octets = "application/octet-stream"

// key serves /v1/keys/{key}.
func (h *Handler) key(w http.ResponseWriter, r *http.Request) error {
	key := strings.TrimPrefix(r.URL.Path, keysPath)
	switch {
	case key == "":
		return invalid("the key is missing: want %sKEY", keysPath)
	case len(key) > ringapi.MaxKey:
		return invalid("the key has %d bytes; at most %d are allowed", len(key), ringapi.MaxKey)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if isWatch(r) {
			return h.watch(w, r, key)
		}
		return h.get(w, r, key)
	case http.MethodPut:
		return h.put(w, r, key)
	case http.MethodDelete:
		return h.delete(w, r, key)
	}
	w.Header().Set("Allow", "GET, HEAD, PUT, DELETE")
	return &statusError{http.StatusMethodNotAllowed, invalid("keys do not take %s", r.Method)}
}

// query is a request's parameters, of which all must be known: a misspelt ttl that is silently ignored would keep for ever what
// should go.
type query struct {
	values url.Values
	err    error // the first that was wrong
}

func parseQuery(r *http.Request, known ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.err = invalid("the query is malformed")
		return q
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(known, name) {
			q.fail("unknown parameter %q; known here: %s", name, strings.Join(known, ", "))
		}
		if len(values[name]) > 1 {
			q.fail("parameter %s is given %d times", name, len(values[name]))
		}
	}
	return q
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = invalid(format, args...)
	}
}

// flag reads ?name, ?name=1 or ?name=0.
func (q *query) flag(name string) bool {
	if !q.values.Has(name) {
		return false
	}
	switch q.values.Get(name) {
	case "", "1", "true":
		return true
	case "0", "false":
		return false
	}
	q.fail("parameter %s: want 1 or 0", name)
	return false
}

func (q *query) number(name string) int {
	text := q.values.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		q.fail("parameter %s: want a number", name)
	}
	return n
}

// version reads a version. An empty one is a mistake: whoever gives it has lost what the answer must not be behind.
func (q *query) version(name string) string {
	v := q.values.Get(name)
	if q.values.Has(name) && v == "" {
		q.fail("parameter %s is empty: want a version, or leave it out", name)
	}
	return v
}

// duration reads a positive time, "90", "90s" or "1h30m"; 0 where there is none.
func (q *query) duration(name string) time.Duration {
	if !q.values.Has(name) {
		return 0
	}
	d, err := units.ParseDuration(q.values.Get(name))
	if err != nil || d <= 0 {
		q.fail("parameter %s: want a time above 0, like 90s or 1h30m", name)
		return 0
	}
	if d > ringapi.MaxTTL {
		q.fail("parameter %s: at most %dh, which is 100 years; leave it out to keep for ever", name, int(ringapi.MaxTTL/time.Hour))
		return 0
	}
	return d
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, key string) error {
	q := parseQuery(r, "trace", "siblings", "sample", "at-least")
	options := ringapi.GetOptions{Trace: q.flag("trace"), Siblings: q.flag("siblings"), Sample: q.number("sample"), AtLeast: q.version("at-least")}
	known, err := tags(r, "If-None-Match")
	if q.err != nil || err != nil {
		return errors.Join(q.err, err)
	}
	got, err := h.service.Get(r.Context(), key, options)
	if err != nil {
		return err
	}
	setETag(w, got.Version)
	if slices.Contains(known, got.Version) || slices.Contains(known, anyTag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if r.Method == http.MethodGet && !wantsOctets(r) {
		answer(w, http.StatusOK, listed(got))
		return nil
	}
	return answerBare(w, got)
}

// listed is the document with empty lists where it has none, which is what readers of JSON expect.
func listed(got *ringapi.Get) *ringapi.Get {
	document := *got
	if document.Siblings == nil {
		document.Siblings = [][]byte{}
	}
	if document.Path == nil {
		document.Path = []ringapi.Hop{}
	}
	return &document
}

// wantsOctets reports whether the request prefers the bare value.
func wantsOctets(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	kind, _, err := mime.ParseMediaType(first)
	return err == nil && kind == octets
}

// answerBare writes the value alone. A set and siblings have several, of which none is the value.
func answerBare(w http.ResponseWriter, got *ringapi.Get) error {
	if got.Value == nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: "the key has several values", Hint: "ask for application/json"}
	}
	header := w.Header()
	header.Set("Content-Type", octets)
	header.Set("Content-Length", strconv.Itoa(len(got.Value)))
	if got.TTL != nil {
		header.Set("Eddy-TTL", strconv.FormatFloat(*got.TTL, 'f', 3, 64))
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(got.Value)
	return nil
}

func (h *Handler) put(w http.ResponseWriter, r *http.Request, key string) error {
	q := parseQuery(r, "ttl", "kind")
	options := ringapi.PutOptions{TTL: q.duration("ttl")}
	switch kind := q.values.Get("kind"); kind {
	case "", "register":
	case "set":
		options.Set = true
	default:
		q.fail("parameter kind: want register or set")
	}
	if q.err != nil {
		return q.err
	}
	var err error
	if options.IfVersion, err = condition(r); err != nil {
		return err
	}
	value, err := readValue(w, r)
	if err != nil {
		return err
	}
	put, err := h.service.Put(r.Context(), key, value, options)
	return h.written(w, put, err, options.IfVersion)
}

func (h *Handler) delete(w http.ResponseWriter, r *http.Request, key string) error {
	q := parseQuery(r)
	version, err := condition(r)
	if q.err != nil || err != nil {
		return errors.Join(q.err, err)
	}
	if version == ringapi.None {
		return invalid("deleting what must not exist makes no sense")
	}
	put, err := h.service.Delete(r.Context(), key, version)
	return h.written(w, put, err, version)
}

// written answers a write. A conflict of a write with a condition is the condition's failure.
func (h *Handler) written(w http.ResponseWriter, put *ringapi.Put, err error, ifVersion string) error {
	var conflict *ringapi.Error
	if errors.As(err, &conflict) && conflict.Code == ringapi.Conflict && ifVersion != "" {
		return &statusError{http.StatusPreconditionFailed, conflict}
	}
	if err != nil {
		return err
	}
	setETag(w, put.Version)
	answer(w, http.StatusOK, put)
	return nil
}

// readValue reads a body of at most ringapi.MaxValue bytes; of one that says it is longer it reads nothing.
func readValue(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := &ringapi.Error{Code: ringapi.TooLarge, Message: "the value is larger than 1 MiB",
		Hint: "store where it is instead, or share it as a file with eddy share"}
	if r.ContentLength > ringapi.MaxValue {
		w.Header().Set("Connection", "close") // or the server would read what comes, in the hope of another request behind it
		return nil, tooLarge
	}
	// Nor must a writer that sends nothing more hold its slot for ever.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	// The length is a promise only: what is allocated at first follows it, what is read is bounded in any case.
	value := make([]byte, 0, max(r.ContentLength, 512))
	body := http.MaxBytesReader(w, r.Body, ringapi.MaxValue)
	for {
		if len(value) == cap(value) {
			value = slices.Grow(value, min(len(value), ringapi.MaxValue+1-len(value))+1)
		}
		n, err := body.Read(value[len(value):cap(value)])
		value = value[:len(value)+n]
		var over *http.MaxBytesError
		switch {
		case err == io.EOF:
			_ = control.SetReadDeadline(time.Time{}) // the connection may be silent now for as long as it likes
			return value, nil
		case errors.As(err, &over):
			return nil, tooLarge
		case err != nil:
			return nil, invalid("the value did not arrive whole: %v", err)
		}
	}
}

// anyTag is the * of a condition.
const anyTag = "*"

// condition reads If-Match and If-None-Match of a write.
func condition(r *http.Request) (ifVersion string, err error) {
	match, err := tags(r, "If-Match")
	if err != nil {
		return "", err
	}
	none, err := tags(r, "If-None-Match")
	if err != nil {
		return "", err
	}
	switch {
	case len(match)+len(none) == 0:
		return "", nil
	case len(match) == 1 && len(none) == 0 && match[0] != anyTag && match[0] != ringapi.None:
		return match[0], nil
	case len(none) == 1 && len(match) == 0 && none[0] == anyTag:
		return ringapi.None, nil
	}
	return "", invalid(`want one condition: If-Match: "VERSION", or If-None-Match: *`)
}

// tags parses a list of strong entity tags, or *.
func tags(r *http.Request, header string) ([]string, error) {
	given := r.Header.Values(header)
	text := strings.TrimSpace(strings.Join(given, ","))
	if len(given) > 0 && text == "" {
		// A program whose version is missing meant a condition: to write without one is what it wanted to prevent.
		return nil, invalid(`%s is empty: want "VERSION" in quotation marks, or leave it out`, header)
	}
	if text == "" || text == anyTag {
		return strings.Fields(text), nil
	}
	var list []string
	for {
		rest, opened := strings.CutPrefix(strings.TrimLeft(text, " \t"), `"`)
		tag, rest, closed := strings.Cut(rest, `"`)
		if !opened || !closed || !validTag(tag) {
			return nil, invalid(`%s: want "VERSION" in quotation marks`, header)
		}
		list = append(list, tag)
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return list, nil
		}
		var more bool
		if text, more = strings.CutPrefix(rest, ","); !more {
			return nil, invalid("%s: want a comma between versions", header)
		}
	}
}
