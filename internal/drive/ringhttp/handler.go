package ringhttp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// Level is what a request may do.
type Level int

// The levels, each with what those before it may do.
const (
	Nobody Level = iota // nothing: answered 401
	Data                // keys, status, check, metrics: what a client's token gives
	Admin               // also tokens, evict, rotate, leave: what a member's token gives
)

// Config of a Handler. Authorize is needed; everything else has a useful zero value.
type Config struct {
	// Authorize decides what a request may do, by its bearer token (see Bearer) or by the connection that it came over.
	Authorize func(*http.Request) Level

	// Hosts decides whether the handler may be asked under a host name (without port): see LoopbackHosts. nil = under any, which is
	// right only where the peer of the connection is authenticated.
	Hosts func(host string) bool

	Metrics     http.Handler  // of GET /metrics; nil = 404
	Log         *slog.Logger  // nil = none
	MaxRequests int           // served at once; more are answered 429; 0 = 256. A request may hold a value of 1 MiB
	MaxWatches  int           // served at once; 0 = 256
	KeepAlive   time.Duration // between the comments of a quiet watch, which find dead connections; 0 = 15 s
	MaxTokenTTL time.Duration // of POST /v1/tokens; 0 = 10 years
}

const (
	defaultRequests  = 256
	defaultWatches   = 256
	defaultKeepAlive = 15 * time.Second
	defaultTokenTTL  = 10 * 365 * 24 * time.Hour
	maxQuery         = 8 << 10 // bytes of a query string: a version with many writers, and little else
	writeTimeout     = time.Minute
	readTimeout      = writeTimeout / 2 // for a value to arrive; what is left is for the answer
)

// validate fills the defaults in.
func (c *Config) validate() error {
	if c.Authorize == nil {
		return errors.New("ringhttp: Config.Authorize is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxRequests <= 0 {
		c.MaxRequests = defaultRequests
	}
	if c.MaxWatches <= 0 {
		c.MaxWatches = defaultWatches
	}
	if c.KeepAlive <= 0 {
		c.KeepAlive = defaultKeepAlive
	}
	if c.MaxTokenTTL <= 0 {
		c.MaxTokenTTL = defaultTokenTTL
	}
	return nil
}

// Handler serves a Service over HTTP. It is made by NewHandler and safe for concurrent use.
type Handler struct {
	service  Service
	config   Config
	mux      *http.ServeMux
	cross    *http.CrossOriginProtection
	requests chan struct{} // a token each request in work
	watches  chan struct{}
}

// NewHandler returns the handler of a service.
func NewHandler(service Service, config Config) (*Handler, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	h := &Handler{
		service: service, config: config, mux: http.NewServeMux(), cross: http.NewCrossOriginProtection(),
		requests: make(chan struct{}, config.MaxRequests), watches: make(chan struct{}, config.MaxWatches),
	}
	h.routes()
	return h, nil
}

// routes lists what there is besides the keys, which are any bytes and so beyond the mux: it would clean their paths.
func (h *Handler) routes() {
	h.handle("GET /v1/status", Data, h.status)
	h.handle("GET /v1/check", Data, h.check)
	h.handle("POST /v1/leave", Admin, h.leave)
	h.handle("POST /v1/tokens", Admin, h.newToken)
	h.handle("DELETE /v1/tokens/{id}", Admin, h.revokeToken)
	h.handle("POST /v1/evict", Admin, h.evict)
	h.handle("POST /v1/rotate", Admin, h.rotate)
	h.handle("GET /metrics", Data, func(w http.ResponseWriter, r *http.Request) error {
		if h.config.Metrics == nil {
			return errNoSuchPath
		}
		h.config.Metrics.ServeHTTP(w, r)
		return nil
	})
}

// An operation answers a request that is authorised; what it returns becomes the error document.
type operation func(http.ResponseWriter, *http.Request) error

// handle adds a route of the mux that needs a level.
func (h *Handler) handle(pattern string, need Level, serve operation) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, need, serve) })
}

// keysPath is where the keys are. What follows it is the key, however its slashes and dots are written.
const keysPath = "/v1/keys/"

// ServeHTTP guards, bounds and dispatches one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	defer h.recover(w)
	if err := h.guard(r); err != nil {
		h.refuse(w, err)
		return
	}
	if _, isKey := strings.CutPrefix(r.URL.Path, keysPath); isKey {
		h.serve(w, r, Data, h.key)
		return
	}
	// The mux redirects what it thinks unclean and words its own refusals: we know no such paths, and answer documents.
	if _, pattern := h.mux.Handler(r); pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		h.serve(w, r, Data, func(http.ResponseWriter, *http.Request) error { return h.unrouted(r) })
		return
	}
	h.mux.ServeHTTP(w, r)
}

// unrouted tells a path that does not exist from a method that it does not have.
func (h *Handler) unrouted(r *http.Request) error {
	if path.Clean(r.URL.Path) != r.URL.Path {
		return errNoSuchPath
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := h.mux.Handler(other); pattern != "" {
			return &statusError{http.StatusMethodNotAllowed, &ringapi.Error{Code: ringapi.Invalid,
				Message: fmt.Sprintf("%s does not take %s", r.URL.Path, r.Method), Hint: "use " + method}}
		}
	}
	return errNoSuchPath
}

// guard refuses what a web page could have made a browser send.
func (h *Handler) guard(r *http.Request) error {
	if h.config.Hosts != nil && !h.config.Hosts(hostOf(r.Host)) {
		return &statusError{http.StatusMisdirectedRequest, &ringapi.Error{Code: ringapi.Denied,
			Message: fmt.Sprintf("this node is not called %q", r.Host), Hint: "use its address, or localhost"}}
	}
	if err := h.cross.Check(r); err != nil {
		return &statusError{http.StatusForbidden, &ringapi.Error{Code: ringapi.Denied, Message: "requests of web pages are refused"}}
	}
	if len(r.URL.RawQuery) > maxQuery {
		return invalid("the query is longer than %d bytes", maxQuery)
	}
	return nil
}

// hostOf drops the port and the brackets of a Host header.
func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

// LoopbackHosts returns the guard of a listener: the name localhost, loopback addresses, the names given; and, where listen is not
// a loopback address, any address, since what rebinding needs is a name.
func LoopbackHosts(listen netip.Addr, names ...string) func(host string) bool {
	return func(host string) bool {
		if addr, err := netip.ParseAddr(host); err == nil {
			return addr.Unmap().IsLoopback() || !listen.Unmap().IsLoopback()
		}
		host = strings.TrimSuffix(strings.ToLower(host), ".")
		return host == "localhost" || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) })
	}
}

// Bearer returns the token of a request, "" if it has none.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// serve runs an operation for whom it is allowed, within the bound of requests at once.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, need Level, serve operation) {
	level := h.config.Authorize(r)
	switch {
	case level < Data:
		w.Header().Set("WWW-Authenticate", `Bearer realm="eddy ring"`)
		h.refuse(w, &ringapi.Error{Code: ringapi.Denied, Message: "a valid token is needed", Hint: "send it as Authorization: Bearer TOKEN"})
		return
	case level < need:
		h.refuse(w, &statusError{http.StatusForbidden, &ringapi.Error{Code: ringapi.Denied,
			Message: "a client's token does not allow this", Hint: "use a member's token"}})
		return
	}
	slots := h.requests
	if isWatch(r) {
		slots = h.watches
	} else {
		// A reader that takes nothing must not hold its slot for ever. A transport that has no deadlines bounds it itself.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout + timeoutOf(r)))
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		h.refuse(w, &ringapi.Error{Code: ringapi.Busy, Message: "too many requests at once", Hint: "try again in a second"})
		return
	}
	if err := serve(w, r); err != nil {
		h.refuse(w, err)
	}
}

// timeoutOf is how much longer a request may take than an ordinary one: walking a ring and handing over everything take theirs.
func timeoutOf(r *http.Request) time.Duration {
	if r.URL.Path == "/v1/leave" || r.URL.Path == "/v1/check" {
		return time.Hour
	}
	return 0
}

// recover turns a panic into an answer: no request stops the node (trust.md, promise 5).
func (h *Handler) recover(w http.ResponseWriter) {
	failure := recover()
	if failure == nil {
		return
	}
	if failure == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
		panic(failure)
	}
	h.config.Log.Error("a request of the ring's API failed", "panic", failure, "stack", string(debug.Stack()))
	h.refuse(w, &ringapi.Error{Code: ringapi.Failed, Message: "the node failed to answer; its log says why"})
}
