package ringhttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// ClientConfig says how a Client reaches its node. Dial is needed.
type ClientConfig struct {
	// Dial opens a connection or stream to the node. It is called whenever one more is needed.
	Dial func(context.Context) (net.Conn, error)

	Token string // sent as bearer token; "" = none, where the connection itself is authenticated

	// Node is what errors call the node, and the Host of requests: its address. Default "ring".
	Node string

	// WatchIdle is how long a watch may be silent before it is taken for dead and begun again; it must be longer than the
	// handler's KeepAlive. 0 = 45 s.
	WatchIdle time.Duration
}

const (
	defaultWatchIdle = 45 * time.Second
	maxDocument      = 128 << 20 // bytes of an answer: 50 members of 1 MiB each, in base64
	maxErrorDocument = 64 << 10
	idleConns        = 64
)

// Client is a Service that asks a node's Handler. It is made by NewClient, safe for concurrent use, and closed with Close.
type Client struct {
	config    ClientConfig
	transport *http.Transport
	http      *http.Client
}

var _ Service = (*Client)(nil)

// NewClient returns a client; it connects when it is first asked.
func NewClient(config ClientConfig) (*Client, error) {
	if config.Dial == nil {
		return nil, errors.New("ringhttp: ClientConfig.Dial is missing")
	}
	config.Node = cmp.Or(config.Node, "ring")
	if config.WatchIdle <= 0 {
		config.WatchIdle = defaultWatchIdle
	}
	transport := &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return config.Dial(ctx) },
		DisableCompression:     true, // what counts against a limit is what is stored
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{config: config, transport: transport, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a node never redirects
	}}, nil
}

// Close ends the connections that are not in use.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// nodeError is a failure of the way to the node, or of what answers there.
type nodeError struct {
	api   *ringapi.Error
	cause error
}

func (e *nodeError) Error() string   { return e.api.Message }
func (e *nodeError) Unwrap() []error { return []error{e.api, e.cause} }

// lost makes an error of one of the transport. Whether a write took place is then unknown, as with too few acknowledgements.
func (c *Client) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *ringapi.Error
	if errors.As(err, &known) { // the dialler knows better: a wrong token, say
		return known
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &nodeError{&ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("the node %s does not answer: %v", c.config.Node, err),
		Hint: "is it running, and is this its address?"}, err}
}

// request is one call of the interface.
type request struct {
	method, path string // path percent-encoded
	query        url.Values
	header       http.Header
	body         []byte
}

// keyPath is the path of a key. Each byte but letters, digits and a few marks is encoded, so that no dot or slash is anything but
// itself.
func keyPath(key string) string {
	escaped := strings.ReplaceAll(url.PathEscape(key), ".", "%2E")
	return keysPath + escaped
}

// send makes a request and returns its answer if that is a success.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	target := &url.URL{Scheme: "http", Host: c.config.Node, RawQuery: r.query.Encode()}
	var err error
	if target.Path, err = url.PathUnescape(r.path); err != nil {
		return nil, fmt.Errorf("asking the node for %q: %w", r.path, err)
	}
	target.RawPath = r.path
	req, err := http.NewRequestWithContext(ctx, r.method, "http://ring/", bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("asking the node for %q: %w", r.path, err)
	}
	req.URL, req.Host = target, target.Host
	if r.header != nil {
		req.Header = r.header
	}
	if c.config.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.config.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.refusal(resp)
}

// refusal reads the error document of an answer. An answer without one is not a node's, whatever its status: least of all is it
// a "not found" of the ring.
func (c *Client) refusal(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorDocument))
	var document ringapi.Error
	if err == nil && json.Unmarshal(text, &document) == nil && statuses[document.Code] != 0 {
		return &document
	}
	return &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("what answers at %s is no ring node (HTTP %s)", c.config.Node, resp.Status),
		Hint: "give the address that eddy ring node printed"}
}

// call makes a request and decodes its answer.
func call[T any](ctx context.Context, c *Client, r request) (*T, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body := &io.LimitedReader{R: resp.Body, N: maxDocument}
	document := new(T)
	if err := json.NewDecoder(body).Decode(document); err != nil {
		if ctx.Err() != nil || body.N > 0 && isTransport(err) {
			return nil, c.lost(ctx, err)
		}
		return nil, &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("what answers at %s is no ring node: %v", c.config.Node, err)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(body, 1<<10)) // the end of the body, so that the connection serves again
	return document, nil
}

// isTransport reports whether reading a document failed on the way, and not by what was read.
func isTransport(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return !errors.As(err, &syntax) && !errors.As(err, &kind)
}

// command makes a request whose answer says nothing but success.
func (c *Client) command(ctx context.Context, r request) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func flagValue(v url.Values, name string, on bool) {
	if on {
		v.Set(name, "1")
	}
}

// Get implements Service.
func (c *Client) Get(ctx context.Context, key string, options ringapi.GetOptions) (*ringapi.Get, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	q := url.Values{}
	flagValue(q, "trace", options.Trace)
	flagValue(q, "siblings", options.Siblings)
	if options.Sample != 0 {
		q.Set("sample", strconv.Itoa(options.Sample))
	}
	if options.AtLeast != "" {
		q.Set("at-least", options.AtLeast)
	}
	got, err := call[ringapi.Get](ctx, c, request{method: http.MethodGet, path: keyPath(key), query: q})
	if err == nil {
		got.Key = key // JSON cannot carry every key
	}
	return got, err
}

// checkKey refuses what no node takes, before it becomes another path.
func checkKey(key string) error {
	if key == "" || len(key) > ringapi.MaxKey {
		return invalid("a key has 1 to %d bytes; this one has %d", ringapi.MaxKey, len(key))
	}
	return nil
}

// conditionHeader says a version as the headers that the handler's condition reads.
func conditionHeader(ifVersion string) (http.Header, error) {
	header := http.Header{}
	switch {
	case ifVersion == "":
	case ifVersion == ringapi.None:
		header.Set("If-None-Match", anyTag)
	case validTag(ifVersion) && ifVersion != anyTag:
		header.Set("If-Match", `"`+ifVersion+`"`)
	default:
		return nil, invalid("%q is no version", ifVersion)
	}
	return header, nil
}

// Put implements Service.
func (c *Client) Put(ctx context.Context, key string, value []byte, options ringapi.PutOptions) (*ringapi.Put, error) {
	header, err := conditionHeader(options.IfVersion)
	if err = cmp.Or(checkKey(key), err); err != nil {
		return nil, err
	}
	if len(value) > ringapi.MaxValue {
		return nil, &ringapi.Error{Code: ringapi.TooLarge, Message: fmt.Sprintf("the value has %d bytes; at most 1 MiB is allowed", len(value))}
	}
	q := url.Values{}
	if options.TTL != 0 {
		q.Set("ttl", options.TTL.String())
	}
	if options.Set {
		q.Set("kind", "set")
	}
	put, err := call[ringapi.Put](ctx, c, request{method: http.MethodPut, path: keyPath(key), query: q, header: header, body: value})
	if err == nil {
		put.Key = key
	}
	return put, err
}

// Delete implements Service.
func (c *Client) Delete(ctx context.Context, key string, ifVersion string) (*ringapi.Put, error) {
	header, err := conditionHeader(ifVersion)
	if err = cmp.Or(checkKey(key), err); err != nil {
		return nil, err
	}
	put, err := call[ringapi.Put](ctx, c, request{method: http.MethodDelete, path: keyPath(key), header: header})
	if err == nil {
		put.Key = key
	}
	return put, err
}

// Status implements Service.
func (c *Client) Status(ctx context.Context) (*ringapi.Status, error) {
	return call[ringapi.Status](ctx, c, request{method: http.MethodGet, path: "/v1/status"})
}

// Check implements Service.
func (c *Client) Check(ctx context.Context) (*ringapi.Check, error) {
	return call[ringapi.Check](ctx, c, request{method: http.MethodGet, path: "/v1/check"})
}

// Leave implements Service.
func (c *Client) Leave(ctx context.Context) error {
	return c.command(ctx, request{method: http.MethodPost, path: "/v1/leave"})
}

// NewToken implements Service.
func (c *Client) NewToken(ctx context.Context, ttl time.Duration, client bool) (*ringapi.Token, error) {
	q := url.Values{}
	if ttl != 0 {
		q.Set("ttl", ttl.String())
	}
	flagValue(q, "client", client)
	return call[ringapi.Token](ctx, c, request{method: http.MethodPost, path: "/v1/tokens", query: q})
}

// RevokeToken implements Service.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	if id == "" || id == "." || id == ".." {
		return invalid("%q is no token's ID", id)
	}
	return c.command(ctx, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)})
}

// Evict implements Service.
func (c *Client) Evict(ctx context.Context, node string) error {
	return c.command(ctx, request{method: http.MethodPost, path: "/v1/evict", query: url.Values{"node": {node}}})
}

// Rotate implements Service.
func (c *Client) Rotate(ctx context.Context) (*ringapi.Token, error) {
	return call[ringapi.Token](ctx, c, request{method: http.MethodPost, path: "/v1/rotate"})
}
