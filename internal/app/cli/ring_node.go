package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

// ringNode is the state of `eddy ring node`.
type ringNode struct {
	inv       *invocation
	config    ring.Config
	join      list
	tokenFile string
	id        uint64

	last ringState // that was told as an event
}

// ringState is what of a node's status is told when it changes.
type ringState struct {
	Type            string   `json:"type"` // "state"
	State           string   `json:"state"`
	Reasons         []string `json:"reasons"`
	Members         int      `json:"members"`
	UnderReplicated int      `json:"under_replicated"`
}

// ringReady is the event that says that a node is a member of its ring.
type ringReady struct {
	Type    string  `json:"type"`
	ID      string  `json:"id"`
	Listen  string  `json:"listen"`  // the ring address, as others are told it
	API     *string `json:"api"`     // IP:PORT of the HTTP interface; null = none
	Token   *string `json:"token"`   // where this start began a ring
	Command *string `json:"command"` // what the next machine runs; null where this start has no token to give
}

func newRingNode(inv *invocation) *cobra.Command {
	n := &ringNode{inv: inv}
	cmd := &cobra.Command{
		Use:   "node",
		Short: "run a node: begin a ring, join one, or come back to one",
		Example: `  eddy ring node
  eddy ring node --join 10.0.0.5:7000 --token eddyring1-...
  eddy ring node --listen 10.0.0.5:7000 --data /var/lib/ring --api 127.0.0.1:7001
  eddy ring node --bits 6 --id 12 --data node12`,
		Args:        wantArgs(""),
		Annotations: map[string]string{longRunning: "yes"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("id") {
				n.config.ID = &n.id
			}
			if err := n.checkGiven(cmd.Flags().Changed); err != nil {
				return err
			}
			return n.run(cmd.Context())
		},
	}
	n.defineFlags(cmd)
	setHelp(cmd, `
Run a node of a ring until it is interrupted. The first one begins a ring and prints the line that the next machines run: an address, and a
token, which lets its holder in and is told nowhere else. A node that ran before with the same --data comes back to its ring with its ID
and its data, at another address too, and needs neither --join nor --token.

Interrupted, it stops without handing over: the ring waits 30 seconds for it, and then copies what it kept from the others. eddy ring leave
hands over first. On this machine all ring commands find the node by its data directory; HTTP with metrics is on --api.

How often values are replicated (--replicas, --write, --read) and --bits are decided by the first node for the whole ring.`,
		exitOK, exitFailed, exitUsage, exitTimeout, exitNetwork, exitAuth, exitDisk, exitConflict)
	explainCode(cmd, exitFailed, "the node could not go on: its data are damaged, or it was evicted")
	explainCode(cmd, exitNetwork, "no node of --join can be reached")
	explainCode(cmd, exitConflict, "another program listens there, or another node uses --data")
	return cmd
}

func (n *ringNode) defineFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&n.config.Listen, "listen", "", "`IP:PORT` of the ring, UDP; an explicit IP is also what others are told (default any port)")
	f.Var(&n.join, "join", "join the ring of the node at `ADDR`; may be repeated")
	f.StringVar(&n.config.Token, "token", "", "`T` that lets into the ring (default $EDDY_RING_TOKEN)")
	f.StringVar(&n.tokenFile, "token-file", "", "read the token from `FILE`, which others on the machine cannot see on the command line")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	f.StringVar(&n.config.Data, "data", "", "`DIR` for identity and records (default: ring in the state directory)")
	f.StringVar(&n.config.API, "api", "127.0.0.1:0", "`ADDR` of the HTTP interface and the metrics, not encrypted; none = without")
	f.IntVar(&n.config.Successors, "successors", 0, "keep `N` successors (default 8)")
	f.IntVar(&n.config.Replicas, "replicas", 0, "of a new ring: `N` hosts keep each value (default 3)")
	f.IntVar(&n.config.Write, "write", 0, "of a new ring: `N` hosts have a value on disk before put says so (default 2)")
	f.IntVar(&n.config.Read, "read", 0, "of a new ring: `N` hosts answer before get does (default 2)")
	f.IntVar(&n.config.Vnodes, "vnodes", 0, "of a new node: stand at `N` positions (default 16; 1 with --bits)")
	f.IntVar(&n.config.Bits, "bits", 0, "of a new ring, for teaching: positions of `N` bits, so that nodes can have --id (default 160)")
	f.Uint64Var(&n.id, "id", 0, "of a new node, with the --bits of its ring: stand at position `N`")
}

// checkGiven refuses flags that would be taken for not given, or do nothing.
func (n *ringNode) checkGiven(given func(flag string) bool) error {
	c := &n.config
	for _, flag := range []struct {
		name  string
		value int
	}{{"successors", c.Successors}, {"replicas", c.Replicas}, {"write", c.Write}, {"read", c.Read}, {"vnodes", c.Vnodes}, {"bits", c.Bits}} {
		if given(flag.name) && flag.value < 1 {
			return usageError("--%s must be at least 1; leave it out for the default", flag.name)
		}
	}
	if len(n.join) == 0 && (given("token") || given("token-file")) {
		return usageError("a token is for joining a ring: name one of its nodes with --join ADDR")
	}
	return nil
}

// check refuses what cannot be.
func (n *ringNode) check() error {
	c := &n.config
	if err := checkListen("--listen", c.Listen); err != nil {
		return err
	}
	if c.API != "none" {
		if err := checkListen("--api", c.API); err != nil {
			return err
		}
	}
	for _, flag := range []struct {
		name       string
		value, max int
	}{{"successors", c.Successors, 64}, {"replicas", c.Replicas, 16}, {"write", c.Write, 16}, {"read", c.Read, 16}, {"vnodes", c.Vnodes, 256}, {"bits", c.Bits, 160}} {
		if flag.value < 0 || flag.value > flag.max {
			return usageError("--%s must be 1 to %d", flag.name, flag.max)
		}
	}
	if c.Replicas > 0 && (c.Write > c.Replicas || c.Read > c.Replicas) {
		return usageError("--write and --read can be no more than --replicas")
	}
	if c.ID != nil && c.Bits > 0 && c.Bits < 64 && *c.ID >= 1<<c.Bits {
		return usageError("--id %d has no place in a ring of %d bits; use 0 to %d", *c.ID, c.Bits, uint64(1)<<c.Bits-1)
	}
	return nil
}

func (n *ringNode) run(ctx context.Context) error {
	if err := n.check(); err != nil {
		return err
	}
	if n.config.Data == "" {
		if err := n.inv.makeStateDir(); err != nil {
			return err
		}
	}
	n.config.Data, n.config.Join, n.config.Log = n.inv.ringData(n.config.Data), n.join, n.inv.log
	if n.config.Data == "" {
		return usageError("there is no home for the node's data; name a directory with --data")
	}
	if len(n.join) > 0 {
		var err error
		if n.config.Token, err = n.inv.readToken(n.config.Token, n.tokenFile); err != nil {
			return err
		}
	}
	tuneNode()
	node, err := ring.New(n.config)
	if err != nil {
		err = ringFailure("starting the ring node of", n.config.Data, err)
		var f *Failure
		var path *fs.PathError
		if errors.As(err, &f) && errors.As(err, &path) && errors.Is(path, syscall.ENOTDIR) {
			f.Cause, f.Hint, f.Code = errors.New("it is no directory"), "name another one with --data", exitDisk
		}
		return err
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- node.Run(running) }()
	slow := time.AfterFunc(slowJoin, func() {
		n.inv.say("still waiting for a member of the ring to answer; are they running, and does a firewall let UDP pass?")
	})
	defer slow.Stop()
	select {
	case err = <-done:
	case <-node.Ready():
		slow.Stop()
		if err := n.ready(node); err != nil {
			cancel(nil)
			<-done
			return err
		}
		err = n.serve(ctx, node, done)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return ringFailure("running the ring node of", n.config.Data, err)
	}
	return nil
}

// serve shows how the node does until it ends.
func (n *ringNode) serve(ctx context.Context, node *ring.Node, done <-chan error) error {
	defer n.inv.follow(
		func() view { return n.look(ctx, node) },
		func() { n.emitState(ctx, node) })()
	return <-done
}

// slowJoin is after how long a user is told why nothing happens.
const slowJoin = 3 * time.Second

// statusTimeout bounds a look at the node of this process.
const statusTimeout = time.Second

func (n *ringNode) look(ctx context.Context, node *ring.Node) view {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, err := node.Status(ctx)
	if err != nil {
		return view{label: "ring", parts: []string{"its status is not known"}}
	}
	return view{label: "ring", parts: []string{s.State, units.Plural(s.Members, "member"), fmt.Sprintf("keys %d", s.Keys), units.FormatSize(s.Bytes)}}
}

// emitState writes an event when the node's state has changed.
func (n *ringNode) emitState(ctx context.Context, node *ring.Node) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, err := node.Status(ctx)
	if err != nil {
		return
	}
	now := ringState{Type: "state", State: s.State, Reasons: s.Reasons, Members: s.Members, UnderReplicated: s.UnderReplicated}
	if now.Reasons == nil {
		now.Reasons = []string{}
	}
	if now.State != n.last.State || now.Members != n.last.Members || now.UnderReplicated != n.last.UnderReplicated {
		n.last = now
		n.inv.events.emit(now)
	}
}

// needed is how many hosts a new ring must have before it takes values.
func (n *ringNode) needed() int {
	switch {
	case n.config.Write > 0 || n.config.Read > 0:
		return max(n.config.Write, n.config.Read)
	case n.config.Replicas == 1:
		return 1
	}
	return 2
}

// ready tells that the node is a member, and how the next one becomes one.
func (n *ringNode) ready(node *ring.Node) error {
	addr, token := node.Addr().String(), node.Token()
	event := ringReady{Type: "ready", ID: node.ID(), Listen: addr, Token: known(token)}
	command := "eddy ring node --join " + shellWord(addr) + " --token "
	if token != "" {
		command += token
		event.Command = &command
	}
	if api := node.API(); api.IsValid() {
		event.API = known(api.String())
		n.inv.say("the API is at http://" + api.String() + "/v1/, metrics at /metrics")
	}
	if n.inv.events.on {
		return n.inv.events.tell(event) // who waits for it would wait for ever
	}
	if hosts := n.needed(); token != "" && hosts > 1 {
		n.inv.say(fmt.Sprintf("values can be stored once %d nodes are in the ring", hosts))
	}
	if token == "" {
		n.inv.say("the next machine runs: " + command + "TOKEN; eddy ring token new makes one")
		return nil
	}
	if _, err := fmt.Fprintln(n.inv.Out, command); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}
