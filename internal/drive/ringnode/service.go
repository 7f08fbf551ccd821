package ringnode

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// errNotReady is asked of a node that is no member yet, or none any more.
var errNotReady = &ringapi.Error{Code: ringapi.TooFew, Message: "the node is not a member of its ring yet", Hint: "try again in a moment"}

// operate runs one operation of the replica to its end. A context that ends first cancels it; a write may take place all the same.
func (n *Node) operate(ctx context.Context, begin func(now time.Duration, op uint64, deadline time.Duration)) (replica.Result, error) {
	if !n.isReady() {
		return replica.Result{}, errNotReady
	}
	patience := n.cfg.Timeout
	if d, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(d))
	}
	ch := make(chan replica.Result, 1)
	var op uint64
	began := false
	n.step("beginning an operation", func(now time.Duration) {
		began = true
		op = n.nextSeq()
		n.ops[op] = func(r replica.Result) { ch <- r }
		begin(now, op, now+patience)
	})
	if !began {
		return replica.Result{}, n.state()
	}
	select {
	case r := <-ch:
		return r, nil
	case <-ctx.Done():
		n.step("cancelling an operation", func(now time.Duration) {
			delete(n.ops, op)
			n.data.Cancel(now, op)
		})
		return replica.Result{}, ctx.Err()
	}
}

// state says why the machines take no input.
func (n *Node) state() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken != nil {
		return &ringapi.Error{Code: ringapi.Failed, Message: n.broken.Error(), Hint: "restart the node, and report this: it is a bug"}
	}
	return &ringapi.Error{Code: ringapi.TooFew, Message: "the node is stopping", Hint: "ask another node"}
}

// statusError says in the user's terms how an operation failed.
func statusError(key string, r replica.Result) *ringapi.Error {
	switch r.Status {
	case replica.NotFound:
		return &ringapi.Error{Code: ringapi.NotFound, Message: fmt.Sprintf("%q is not in the ring", shown(key))}
	case replica.Conflict:
		return &ringapi.Error{Code: ringapi.Conflict, Message: fmt.Sprintf("%q is not as the write demands", shown(key)), Version: r.Version.String(),
			Hint: "read it again; a key is either a register or a set"}
	case replica.TooFew:
		return &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("too few of the nodes that hold %q answer", shown(key)),
			Hint: "are enough nodes running? see eddy ring status"}
	case replica.Behind:
		return &ringapi.Error{Code: ringapi.TooFew, Version: r.Version.String(), Message: fmt.Sprintf("no holder of %q that answers has seen the version that was asked for", shown(key)),
			Hint: "try again in a moment; what ended with its time to live, or was deleted 7 days ago, is forgotten with its version"}
	case replica.TooLarge:
		return &ringapi.Error{Code: ringapi.TooLarge, Message: fmt.Sprintf("%q would be larger than a key can be: a value has at most 1 MiB, a set at most %d members",
			shown(key), ringapi.MaxMembers)}
	case replica.Busy:
		return &ringapi.Error{Code: ringapi.Busy, Message: "too much is being written just now, or the holders have no room", Hint: "try again"}
	case replica.Full:
		return &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("too few of the nodes that hold %q have room for it", shown(key)),
			Hint: "make room on their disks, or add nodes; eddy ring status says of each whether its disk is full"}
	case replica.Gone:
		return &ringapi.Error{Code: ringapi.TooFew, Message: "the node is stopping", Hint: "ask another node"}
	}
	return &ringapi.Error{Code: ringapi.Failed, Message: "the node's disk failed", Hint: "see its log; other nodes still answer"}
}

// writeError is statusError for a write that was to be as the arguments say: which of its conditions failed, and that without an answer
// nobody knows whether it happened.
func writeError(key string, r replica.Result, set, deletion bool, c replica.Condition) *ringapi.Error {
	e := statusError(key, r)
	switch live := r.Record.Live(); {
	case r.Status == replica.TooFew, r.Status == replica.Full:
		e.Message += "; the write may have happened all the same"
	case r.Status != replica.Conflict:
	case c.Absent && len(live) > 0:
		e.Message, e.Hint = fmt.Sprintf("%q exists already", shown(key)), "read it, and decide anew"
	case len(c.Version) > 0 && len(live) == 0:
		e.Message, e.Hint = fmt.Sprintf("%q does not exist any more", shown(key)), "with the condition none it is made anew"
	case len(c.Version) > 0 && !c.Version.Includes(r.Version):
		e.Message, e.Hint = fmt.Sprintf("%q has another version by now", shown(key)), "read it again, and decide anew"
	case !deletion && set && slices.ContainsFunc(live, func(v ringwire.Version) bool { return !v.Set }):
		e.Message, e.Hint = fmt.Sprintf("%q is one value and not a set", shown(key)), "delete it first, or use another key"
	case !deletion && !set && slices.ContainsFunc(live, func(v ringwire.Version) bool { return v.Set }):
		e.Message, e.Hint = fmt.Sprintf("%q is a set and not one value", shown(key)), "add to it with --set, or delete it first"
	}
	return e
}

// shown is a key as messages show it.
func shown(key string) string {
	if len(key) > 60 {
		return key[:60] + "..."
	}
	return key
}

// checkKey refuses keys that are too long, and those of the ring itself.
func checkKey(key string) error {
	switch {
	case key == "" || len(key) > ringapi.MaxKey:
		return &ringapi.Error{Code: ringapi.Invalid, Message: fmt.Sprintf("a key has 1 to %d bytes, not %d", ringapi.MaxKey, len(key))}
	case strings.HasPrefix(key, systemPrefix):
		return &ringapi.Error{Code: ringapi.Invalid, Message: "keys that begin like this are the ring's own"}
	}
	return nil
}

var errAtLeast = &ringapi.Error{Code: ringapi.Invalid, Message: "the version that the read must have seen is none that a ring gave out", Hint: "copy it from a get or put"}

// begin begins an operation of the replica with mu held, and under a number by which n.ops knows who waits for its end.
type begin func(now time.Duration, op uint64, deadline time.Duration)

// getting prepares a read of a key; what it returns begins it.
func (n *Node) getting(key string, o ringapi.GetOptions) (begin, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	covers, err := ringwire.ParseContext(o.AtLeast)
	if err != nil {
		return nil, errAtLeast
	}
	if err := n.enoughToRead(); err != nil {
		return nil, err
	}
	return func(now time.Duration, op uint64, deadline time.Duration) {
		n.data.Get(now, op, replica.Get{Key: key, Covers: covers, Deadline: deadline})
	}, nil
}

// Get reads a key from a quorum of its holders.
func (n *Node) Get(ctx context.Context, key string, o ringapi.GetOptions) (*ringapi.Get, error) {
	read, err := n.getting(key, o)
	if err != nil {
		return nil, err
	}
	var trace *ring.Result
	if o.Trace {
		r, err := n.lookup(ctx, n.space.Hash(ringwire.KeyTag, []byte(key)), ring.Iterative)
		if err != nil {
			return nil, err
		}
		trace = &r
	}
	r, err := n.operate(ctx, read)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	s := n.size()
	n.mu.Unlock()
	return n.got(key, r, o, s, trace)
}

// got turns the end of a read into its document, or an error.
func (n *Node) got(key string, r replica.Result, o ringapi.GetOptions, s ringSize, trace *ring.Result) (*ringapi.Get, error) {
	if r.Status != replica.OK {
		return nil, statusError(key, r)
	}
	out, err := n.found(key, r, o)
	if err != nil {
		return nil, err
	}
	n.route(out, r, s, trace)
	return out, nil
}

// ringSize is how many hosts the ring is known to have; complete: these are all.
type ringSize struct {
	hosts    int
	complete bool
}

// size is the ring's; mu is held.
func (n *Node) size() (s ringSize) {
	s.hosts, s.complete = n.ring.Members()
	return s
}

// found turns a read into its document.
func (n *Node) found(key string, r replica.Result, o ringapi.GetOptions) (*ringapi.Get, error) {
	live := r.Record.Live()
	out := &ringapi.Get{Key: key, Version: r.Version.String(), Siblings: [][]byte{}}
	sets, registers := 0, 0
	for _, v := range live {
		if v.Set {
			sets++
		} else {
			registers++
		}
	}
	switch {
	case sets > 0 && registers == 0:
		out.MemberCount = sets
		out.Members = sample(live, o.Sample)
	case len(live) == 1:
		out.Value = live[0].Value
		if out.Value == nil {
			out.Value = []byte{}
		}
	default: // none of the siblings is the value
		for _, v := range live {
			out.Siblings = append(out.Siblings, v.Value)
		}
		if !o.Siblings {
			return nil, &ringapi.Error{Code: ringapi.Conflict, Version: out.Version,
				Message: fmt.Sprintf("%q has %d values that were written at the same time", shown(key), len(live)),
				Hint:    "read them with --siblings, and write the one that is right with --if-version"}
		}
	}
	out.TTL = longest(live)
	return out, nil
}

// longest is the time after which nothing of a key is left, in seconds; nil = never.
func longest(live []ringwire.Version) *float64 {
	var left time.Duration
	for _, v := range live {
		if v.Left == 0 {
			return nil
		}
		left = max(left, v.Left)
	}
	s := left.Seconds()
	return &s
}

// sample draws members of a set without repetition; 0 asks for the usual number, a negative number for all.
func sample(live []ringwire.Version, count int) [][]byte {
	if count == 0 {
		count = ringapi.Sample
	}
	if count < 0 || count > len(live) {
		count = len(live)
	}
	out := make([][]byte, 0, count)
	for _, i := range rand.Perm(len(live))[:count] {
		out = append(out, live[i].Value)
	}
	return out
}

// route fills in who holds a key and how it was found.
func (n *Node) route(out *ringapi.Get, r replica.Result, s ringSize, trace *ring.Result) {
	if len(r.Holders) > 0 {
		out.Owner = n.hosts.addr(r.Holders[0].Host).String()
		if r.Holders[0].Host != self {
			out.Hops = 1
		}
	}
	out.ExpectedHops = n.expectedHops(s.hosts, s.complete && trace == nil)
	if trace == nil {
		return
	}
	out.Owner, out.Hops = n.hosts.addr(trace.Owner.Host).String(), trace.Hops
	for i, ref := range trace.Path {
		hop := ringapi.Hop{ID: n.space.Format(ref.ID), Addr: n.hosts.addr(ref.Host).String()}
		if i > 0 && i-1 < len(trace.RTT) {
			hop.RTTms = float64(trace.RTT[i-1].Microseconds()) / 1000
		}
		out.Path = append(out.Path, hop)
	}
}

// expectedHops is the mean number of forwardings from a random host to a key's owner. With the whole membership known it is one, unless
// the asker is the owner. By fingers and successor lists it is 0.5 log2 N - 0.5 log2 r + 1 (Stoica et al. 2001, section 4; theory.md), of which
// no more than the one hop is left when the lists reach around the ring.
func (n *Node) expectedHops(hosts int, direct bool) float64 {
	if hosts <= 1 {
		return 0
	}
	one := 1 - 1/float64(hosts)
	r := float64(n.successors())
	if direct || float64(hosts-1) <= r {
		return one
	}
	return max(one, 0.5*math.Log2(float64(hosts))-0.5*math.Log2(r)+1)
}

// defaultSuccessors is core/ring's.
const defaultSuccessors = 8

func (n *Node) successors() int {
	if n.cfg.Successors > 0 {
		return n.cfg.Successors
	}
	return defaultSuccessors
}

// lookup finds the owner of a position.
func (n *Node) lookup(ctx context.Context, key ringwire.ID, how ring.How) (ring.Result, error) {
	if !n.isReady() {
		return ring.Result{}, errNotReady
	}
	ch := make(chan ring.Result, 1)
	var token uint64
	began := false
	n.step("looking a key up", func(now time.Duration) {
		began = true
		token = n.nextSeq()
		n.lookups[token] = ch
		n.ring.Lookup(now, key, token, how)
	})
	if !began {
		return ring.Result{}, n.state()
	}
	select {
	case r := <-ch:
		if r.Err != nil {
			return r, &ringapi.Error{Code: ringapi.TooFew, Message: "the key's owner was not found: " + r.Err.Error(), Hint: "try again in a moment"}
		}
		return r, nil
	case <-ctx.Done():
		n.mu.Lock()
		delete(n.lookups, token)
		n.mu.Unlock()
		return ring.Result{}, ctx.Err()
	}
}

// putOptions are those of a write, of users and of the ring itself.
type putOptions struct {
	ttl  time.Duration
	set  bool
	cond replica.Condition
}

// putting begins a write of a key, whoever's.
func (n *Node) putting(key string, value []byte, o putOptions) begin {
	return func(now time.Duration, op uint64, deadline time.Duration) {
		if n.full {
			n.ops[op](replica.Result{Status: replica.Full})
			delete(n.ops, op)
			return
		}
		n.data.Put(now, op, replica.Put{Key: key, Value: value, Set: o.set, TTL: o.ttl, If: o.cond, Deadline: deadline})
	}
}

// put writes a key, whoever's.
func (n *Node) put(ctx context.Context, key string, value []byte, o putOptions) (replica.Result, error) {
	r, err := n.operate(ctx, n.putting(key, value, o))
	if err == nil && r.Status != replica.OK {
		err = writeError(key, r, o.set, false, o.cond)
	}
	return r, err
}

// condition reads a user's IfVersion.
func condition(ifVersion string) (c replica.Condition, err error) {
	switch ifVersion {
	case "":
		return c, nil
	case ringapi.None:
		return replica.Condition{Absent: true}, nil
	}
	if c.Version, err = ringwire.ParseContext(ifVersion); err != nil {
		return c, &ringapi.Error{Code: ringapi.Invalid, Message: "the version to compare with is none that a ring gave out", Hint: "copy it from a get or put, or use none"}
	}
	return c, nil
}

// userPut reads the options of a user's write.
func (n *Node) userPut(key string, o ringapi.PutOptions) (p putOptions, err error) {
	if err := checkKey(key); err != nil {
		return p, err
	}
	if o.TTL < 0 || o.TTL > ringwire.MaxTTL {
		return p, &ringapi.Error{Code: ringapi.Invalid, Message: "a time to live is 0 (for ever) to 100 years"}
	}
	c, err := condition(o.IfVersion)
	if err != nil {
		return p, err
	}
	return putOptions{o.TTL, o.Set, c}, n.enoughToWrite()
}

// Put writes a register, or adds a member to a set.
func (n *Node) Put(ctx context.Context, key string, value []byte, o ringapi.PutOptions) (*ringapi.Put, error) {
	p, err := n.userPut(key, o)
	if err != nil {
		return nil, err
	}
	r, err := n.put(ctx, key, value, p)
	if err != nil {
		return nil, err
	}
	return n.wrote(key, r), nil
}

// wrote turns a write into its document.
func (n *Node) wrote(key string, r replica.Result) *ringapi.Put {
	out := &ringapi.Put{Key: key, Version: r.Version.String(), Acks: len(r.Holders), Replicas: []string{}, Holders: n.trust.identity().parameters.Replicas}
	for _, ref := range r.Holders {
		out.Replicas = append(out.Replicas, n.hosts.addr(ref.Host).String())
	}
	return out
}

// deleting prepares the removal of a key; what it returns begins it.
func (n *Node) deleting(key string, ifVersion string) (begin, replica.Condition, error) {
	if err := checkKey(key); err != nil {
		return nil, replica.Condition{}, err
	}
	c, err := condition(ifVersion)
	if err != nil {
		return nil, c, err
	}
	if c.Absent {
		return nil, c, &ringapi.Error{Code: ringapi.Invalid, Message: "a key that must not exist cannot be deleted"}
	}
	return func(now time.Duration, op uint64, deadline time.Duration) {
		n.data.Delete(now, op, replica.Delete{Key: key, If: c, Deadline: deadline})
	}, c, n.enoughToWrite()
}

// Delete removes a key.
func (n *Node) Delete(ctx context.Context, key string, ifVersion string) (*ringapi.Put, error) {
	remove, c, err := n.deleting(key, ifVersion)
	if err != nil {
		return nil, err
	}
	r, err := n.operate(ctx, remove)
	if err != nil {
		return nil, err
	}
	if r.Status != replica.OK {
		return nil, writeError(key, r, false, true, c)
	}
	return n.wrote(key, r), nil
}

// Watch calls each with what is there now, unless that is since, and with every change.
func (n *Node) Watch(ctx context.Context, key string, since string, each func(*ringapi.Get) error) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if !n.isReady() {
		return errNotReady
	}
	covers, err := ringwire.ParseContext(since)
	if err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: "the version to watch from is none that a ring gave out"}
	}
	changes := make(chan replica.Result, 1)
	end := make(chan replica.Result, 1)
	var op uint64
	began := false
	n.step("beginning a watch", func(now time.Duration) {
		began = true
		op = n.nextSeq()
		n.ops[op] = func(r replica.Result) { end <- r }
		n.watches[op] = func(r replica.Result) { // the latest counts: a slow watcher misses steps, not the outcome
			select {
			case <-changes:
			default:
			}
			changes <- r
		}
		n.data.Watch(now, op, replica.Watch{Key: key, Since: covers})
	})
	if !began {
		return n.state()
	}
	defer n.step("ending a watch", func(now time.Duration) {
		delete(n.ops, op)
		delete(n.watches, op)
		n.data.Cancel(now, op)
	})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-end:
			return statusError(key, r)
		case r := <-changes:
			if err := n.tellWatcher(key, r, each); err != nil {
				return err
			}
		}
	}
}

func (n *Node) tellWatcher(key string, r replica.Result, each func(*ringapi.Get) error) error {
	if r.Status == replica.NotFound {
		return each(&ringapi.Get{Key: key, Version: r.Version.String(), Deleted: true, Siblings: [][]byte{}})
	}
	out, err := n.found(key, r, ringapi.GetOptions{Siblings: true})
	if err != nil {
		return err
	}
	n.mu.Lock()
	s := n.size()
	n.mu.Unlock()
	n.route(out, r, s, nil)
	return each(out)
}
