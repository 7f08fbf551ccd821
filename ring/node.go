package ring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/drive/ringnode"
)

// Config describes a Node. Data is needed; to become a member of a ring that exists, Join and Token too. Everything else has a useful
// zero value.
type Config struct {
	Data   string // directory of identity and records, made if absent; one node uses it at a time
	Listen string // IP:PORT of the ring, UDP; "" = ":0", any port. An explicit IP is also what others are told
	// IP or IP:PORT that others are told, where it is not what Listen says: behind a NAT that forwards a port, or in a container. "" = by Listen
	Advertise string
	Join      []string // HOST:PORT of members; none: the first of a new ring, or a member that comes back
	Token     string   // of the ring; a member that comes back needs none
	API       string   // IP:PORT of the HTTP interface and the metrics; "" = "127.0.0.1:0"; "none" = nowhere

	// Of a new ring; who joins takes what the ring has, and fails if these say otherwise. 0 = the default.
	Replicas int // R, hosts that hold each record: 3
	Write    int // W, of these, that have it on disk before a write is acknowledged: 2
	Read     int // Q, of these, that answer a read: 2
	Bits     int // width of positions: 160. Fewer are for teaching, and allow ID

	// Of this host. 0 = the default.
	Successors int     // r, hosts in its successor list: 8
	Vnodes     int     // positions on the ring: 16, and 1 in a ring made with Bits
	ID         *uint64 // its one position, in a ring made with Bits

	Log *slog.Logger // nil = none
}

const (
	defaultAPI = "127.0.0.1:0"
	noAPI      = "none"
)

// Node is a member of a ring in this process. It is a Service once it is Ready.
type Node struct {
	Service
	node  *ringnode.Node
	data  string
	local Local
	ready chan struct{}
}

// New opens the data directory and the sockets. It starts nothing: Run does.
func New(config Config) (*Node, error) {
	if config.API == "" {
		config.API = defaultAPI
	}
	n := &Node{data: config.Data, ready: make(chan struct{}), local: Local{Secret: rand.Text(), PID: os.Getpid()}}
	inner := ringnode.Config{
		Data: config.Data, Listen: config.Listen, Advertise: config.Advertise, Join: config.Join, Token: config.Token, API: config.API, Secret: n.local.Secret,
		Replicas: config.Replicas, Write: config.Write, Read: config.Read, Bits: config.Bits,
		Successors: config.Successors, Vnodes: config.Vnodes, ID: config.ID, Log: config.Log,
	}
	guard, err := apiGuard(config.API)
	if err != nil {
		return nil, err
	}
	if config.API == noAPI {
		inner.API = ""
	}
	inner.Handler = func(node *ringnode.Node) (http.Handler, error) { return newHandler(node, guard, config.Log) }
	if n.node, err = ringnode.New(inner); err != nil {
		return nil, err
	}
	n.Service = n.node
	return n, nil
}

// apiGuard decides under which names the API may be asked: on loopback, under loopback's alone.
func apiGuard(api string) (func(host string) bool, error) {
	if api == noAPI {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(api)
	if err != nil {
		return nil, fmt.Errorf("the API's address %q: want IP:PORT", api)
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		return ringhttp.LoopbackHosts(addr), nil
	case host == "":
		return ringhttp.LoopbackHosts(netip.IPv6Unspecified()), nil
	case strings.EqualFold(host, "localhost"):
		return ringhttp.LoopbackHosts(netip.MustParseAddr("127.0.0.1")), nil
	}
	return ringhttp.LoopbackHosts(netip.IPv6Unspecified(), host), nil
}

// newHandler serves the node over HTTP. Two handlers, so that requests which came over TCP, where a browser could have sent them, are
// guarded, and neither way can use up the other's slots.
func newHandler(node *ringnode.Node, guard func(string) bool, log *slog.Logger) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(node); err != nil {
		return nil, fmt.Errorf("making the ring's metrics: %w", err)
	}
	config := ringhttp.Config{
		Authorize: authorize,
		Metrics:   promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Log:       log,
	}
	streams, err := ringhttp.NewHandler(node, config)
	if err != nil {
		return nil, err
	}
	config.Hosts = guard
	tcp, err := ringhttp.NewHandler(node, config)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-node.Ready():
		default: // methods of the node answer only then
			ringhttp.RefuseNotReady(w)
			return
		}
		if ringnode.AccessOf(r.Context()) == ringnode.AccessUndecided {
			ringhttp.RefuseUndecided(w)
			return
		}
		if _, overTCP := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); overTCP {
			tcp.ServeHTTP(w, r)
			return
		}
		streams.ServeHTTP(w, r)
	}), nil
}

// authorize is what the node found out about a request, by its token or its connection.
func authorize(r *http.Request) ringhttp.Level {
	switch ringnode.AccessOf(r.Context()) {
	case ringnode.AccessAdmin:
		return ringhttp.Admin
	case ringnode.AccessData:
		return ringhttp.Data
	}
	return ringhttp.Nobody
}

// Ready is closed when the node is a member of its ring, and FindLocal finds it. What follows is valid then.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// ID names the node.
func (n *Node) ID() string { return n.node.ID() }

// Addr is the ring address as others are told it: to join, and for Dial.
func (n *Node) Addr() netip.AddrPort { return n.node.Addr() }

// API is the address of the HTTP interface; the zero value without one. It is valid after New.
func (n *Node) API() netip.AddrPort { return n.node.APIAddr() }

// Token admits others to the ring, where this node has just begun it; else it is "": NewToken makes more.
func (n *Node) Token() string { return n.node.Token() }

// Run makes the node a member and keeps it one until ctx ends, or it has left, or was evicted; only the last is an error, as is that it
// could not become one. While it runs, programs of the same user find it by FindLocal. It runs once.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	told := make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-ctx.Done():
		case <-n.node.Ready():
			if err := n.announce(); err != nil {
				cancel(err)
				return
			}
			close(n.ready)
		}
	}()
	err := n.node.Run(ctx)
	cause := context.Cause(ctx)
	cancel(nil)
	<-told
	n.local.remove(n.data)
	if err == nil && cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = cause
	}
	return err
}

// announce writes the file by which others on this machine find the node.
func (n *Node) announce() error {
	if !n.API().IsValid() {
		return nil
	}
	n.local.ID, n.local.Listen, n.local.API = n.ID(), n.Addr().String(), n.API().String()
	return n.local.write(n.data)
}

// Close gives back what New opened, of a node that Run does not run.
func (n *Node) Close() error { return n.node.Close() }
