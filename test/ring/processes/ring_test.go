package processes

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/ring"
	"github.com/eddy-p2p/eddy/test/harness"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// A cluster is a ring of processes, and all that its clients have asked of it.
type cluster struct {
	root  *testing.T // whose end is that of the processes
	t     *testing.T // of the scenario
	ctx   context.Context
	nodes []*node
	token string
	log   history.Log
	start time.Time
	keys  []string // that clients have used
	count atomic.Int64
}

// A node is one eddy ring node, which may be killed and started again.
type node struct {
	c         *cluster
	number    int
	host      string
	port      int
	dir, id   string
	proc      *harness.Process
	down      atomic.Bool // so that clients ask nobody who cannot hear
	forgotten bool        // never to come back

	mu     sync.Mutex
	client *ring.Client // of the present run; guarded by mu
}

// grow starts a ring of count nodes that acknowledge a write when write of 3 have it, and waits until it is whole.
func grow(t *testing.T, ctx context.Context, count int, args ...string) *cluster {
	t.Helper()
	c := &cluster{root: t, t: t, ctx: ctx, start: time.Now()}
	for i := range count {
		c.nodes = append(c.nodes, &node{c: c, number: i, host: harness.Host(), port: 7000, dir: t.TempDir()})
	}
	vnodes := []string{"--vnodes", strconv.Itoa(*vnodesFlag)}
	c.nodes[0].launch(append(args, vnodes...)...)
	c.token = c.nodes[0].ready().Str("token")
	for _, n := range c.nodes[1:] {
		n.launch(append(vnodes, "--join", c.nodes[0].addr(), "--token", c.token)...)
	}
	for _, n := range c.nodes[1:] {
		n.ready()
	}
	for _, n := range c.nodes {
		c.awaitWell(n)
	}
	c.awaitWhole(c.nodes[0], count, time.Now().Add(3*time.Minute))
	t.Logf("%d nodes are one ring after %s", count, c.since())
	return c
}

func (c *cluster) since() time.Duration { return time.Since(c.start).Round(100 * time.Millisecond) }

func (n *node) addr() string { return n.host + ":" + strconv.Itoa(n.port) }

// launch starts the node's process.
func (n *node) launch(args ...string) {
	n.c.t.Helper()
	args = append([]string{"ring", "node", "--data", n.dir, "--listen", n.addr()}, args...)
	n.proc = harness.Launch(n.c.root, fmt.Sprintf("node %d", n.number), args...)
}

// ready waits until the node is a member, always by the same ID.
func (n *node) ready() harness.Event {
	n.c.t.Helper()
	e := n.proc.Await(n.c.ctx, "ready")
	if n.id == "" {
		n.id = e.Str("id")
	}
	if e.Str("id") != n.id {
		n.c.t.Errorf("node %d came back as %s, was %s", n.number, e.Str("id"), n.id)
	}
	n.down.Store(false)
	return e
}

// kill ends a node as a power cut would.
func (n *node) kill() {
	n.down.Store(true)
	n.proc.Signal(syscall.SIGKILL)
}

// restart starts a node that has ended again; it needs no token.
func (n *node) restart() {
	n.c.t.Helper()
	n.proc.Wait(n.c.ctx)
	n.launch()
}

// dial returns a client of the node's present run.
func (n *node) dial() (*ring.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client != nil {
		return n.client, nil
	}
	local, err := ring.FindLocal(n.dir)
	if err != nil {
		return nil, err
	}
	n.client, err = local.Dial()
	return n.client, err
}

// drop forgets a client that failed: the next run has another address.
func (n *node) drop(client *ring.Client) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client == client && client != nil {
		n.client = nil
		client.Close()
	}
}

// up are the nodes that take part.
func (c *cluster) up() (out []*node) {
	for _, n := range c.nodes {
		if !n.down.Load() && !n.forgotten {
			out = append(out, n)
		}
	}
	return out
}

// awaitWhole waits until eddy ring check finds hosts nodes, in order and fully replicated.
func (c *cluster) awaitWhole(n *node, hosts int, until time.Time) {
	c.t.Helper()
	ctx, cancel := context.WithDeadline(c.ctx, until)
	defer cancel()
	last := "no answer"
	for ctx.Err() == nil {
		client, err := n.dial()
		if err != nil {
			c.t.Fatal(err)
		}
		check, err := client.Check(ctx)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				last = err.Error()
			}
		case check.OK && check.Hosts == hosts:
			return
		default:
			last = fmt.Sprintf("%d hosts, %d under-replicated, %d differing: %s", check.Hosts, check.UnderReplicated, check.Differing,
				strings.Join(check.Problems[:min(len(check.Problems), 5)], "; "))
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	c.t.Errorf("the ring is not whole again in time: %s", last)
}

// settle holds "full replication again within 60 s" (or one ring, after a partition) and then everything else: what clients were told before
// against what each node says now.
func (c *cluster) settle(since time.Time) {
	c.t.Helper()
	up := c.up()
	c.awaitWhole(up[0], len(up), since.Add(time.Minute))
	c.t.Logf("whole %s after it", time.Since(since).Round(100*time.Millisecond))
	if c.t.Failed() {
		c.awaitWhole(up[0], len(up), time.Now().Add(2*time.Minute)) // whether it is late, or broken
	}
	c.judge()
}
