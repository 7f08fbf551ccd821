package ringnode

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// errInternal marks a programming error that the machines ran into. Nobody knows what they believe after it, so nothing is asked of
// them any more; the process goes on and says so.
var errInternal = errors.New("internal error")

// aftermath is what a step leaves to be done once the lock is free.
type aftermath struct {
	outboxes []*outbox // to be flushed
	results  []func()  // whom to tell of the end of an operation
}

// post notes that an outbox has something to send.
func (a *aftermath) post(o *outbox) {
	if !slices.Contains(a.outboxes, o) { // a handful
		a.outboxes = append(a.outboxes, o)
	}
}

// release gives mu back and does what the step has left.
func (n *Node) release() {
	a := n.after
	n.after = aftermath{}
	n.mu.Unlock()
	for _, tell := range a.results {
		func() {
			defer n.recovered("answering a call", nil)
			tell()
		}()
	}
	for _, o := range a.outboxes {
		if wrote := o.flush(); wrote > 0 {
			n.counters.sent(wrote)
		}
	}
}

// step gives the machines one input and does what they ask for. Nothing in it blocks but reads of the store.
func (n *Node) step(doing string, input func(now time.Duration)) {
	n.mu.Lock()
	defer n.release()
	if n.broken != nil || n.stopped {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			n.counters.panics.Add(1)
			n.broken = fmt.Errorf("%w while %s: %v", errInternal, doing, p)
			n.log.Error("internal error", "doing", doing, "panic", p, "stack", string(debug.Stack()))
			n.failAll()
		}
	}()
	now := n.now()
	input(now)
	n.drain(now)
	if n.nextTick() >= n.armed {
		return // the timer goes off in time; most inputs move nothing nearer
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// nextTick is when the machines want to be called; mu is held.
func (n *Node) nextTick() time.Duration { return min(n.ring.NextTick(), n.data.NextTick()) }

// drain does the machines' actions until neither has any; mu is held.
func (n *Node) drain(now time.Duration) {
	for again := true; again; {
		again = false
		for a, ok := n.ring.Next(); ok; a, ok = n.ring.Next() {
			n.doRing(now, &a)
			again = true
		}
		for a, ok := n.data.Next(); ok; a, ok = n.data.Next() {
			n.doData(now, &a)
			again = true
		}
	}
}

// locating marks the lookups that core/replica wants, whose tokens are its own.
const locating = 1 << 63

func (n *Node) doRing(now time.Duration, a *ring.Action) {
	switch a.Kind {
	case ring.Send:
		if n.cfg.liar != nil {
			n.lieRing(a.To, &a.Message)
			break
		}
		n.sendRing(a.To, &a.Message)
	case ring.LookupDone:
		if a.Result.Token&locating != 0 {
			n.located(now, &a.Result)
		} else if ch := n.lookups[a.Result.Token]; ch != nil {
			delete(n.lookups, a.Result.Token)
			ch <- a.Result
		}
	case ring.ViewChanged:
		n.data.ViewChanged(now)
	case ring.Joined:
		if !n.joined {
			n.joined = true
			n.log.Info("joined the ring", "id", n.hostID(self), "addr", n.hosts.addr(self))
			close(n.ready)
		}
	case ring.Left:
		n.data.Leave(now)
	case ring.CacheDropped:
		n.counters.cacheDropped.Add(1)
		n.log.Warn("the membership changes faster than its budget allows to tell: lookups go by fingers for a while")
	}
}

// located tells the replica whom a lookup found: the owner and the hosts after it, distinct.
func (n *Node) located(now time.Duration, r *ring.Result) {
	var hosts []ringwire.Ref
	if r.Err == nil {
		seen := make(map[ringwire.Host]bool)
		for _, ref := range append([]ringwire.Ref{r.Owner}, r.Successors...) {
			if !seen[ref.Host] {
				seen[ref.Host] = true
				hosts = append(hosts, ref)
			}
		}
	}
	n.data.Located(now, r.Token&^locating, hosts)
}

func (n *Node) doData(now time.Duration, a *replica.Action) {
	switch a.Kind {
	case replica.Send:
		if n.cfg.liar != nil {
			n.lieData(a.To, a.Message)
			break
		}
		n.sendData(a.To, a.Message)
	case replica.Persist, replica.Forget, replica.PersistArcs:
		n.commits.add(change{action: *a, at: now})
	case replica.Locate:
		n.ring.Lookup(now, a.Position, a.Token|locating, ring.Recursive)
	case replica.Done:
		if done := n.ops[a.Op]; done != nil {
			delete(n.ops, a.Op)
			done(a.Result)
		}
	case replica.Changed:
		if f := n.watches[a.Op]; f != nil {
			f(a.Result)
		}
	case replica.Left:
		n.log.Info("left the ring: everything was handed over")
		close(n.gone)
	}
}

// committed tells the replica what became of its changes.
func (n *Node) committed(changes []change, err error) {
	if err != nil {
		n.counters.commitFailures.Add(1)
		n.log.Error("cannot put records on disk", "records", len(changes), "err", err)
	}
	if errors.Is(err, replica.ErrNoRoom) {
		n.ranOutOfRoom()
	}
	n.counters.commits.Add(1)
	n.counters.committed.Add(uint64(len(changes)))
	n.step("taking in what is on disk", func(now time.Duration) {
		for i := range changes {
			result := err
			if result == nil && changes[i].refused {
				result = replica.ErrTooLarge
			}
			if a := &changes[i].action; a.Kind != replica.PersistArcs {
				n.data.Persisted(now, a.Token, result)
			}
		}
	})
}

// sendRing queues a message of core/ring. It may get lost, as any may; the machines repeat what matters.
func (n *Node) sendRing(to ringwire.Host, m *ring.Message) {
	l := n.reach(to)
	if l == nil || !l.ring.post(frameMessage, func(names *namer, b []byte) []byte { return names.appendRing(b, m) }) {
		n.counters.dropped.Add(1)
		return
	}
	n.after.post(l.ring)
	l.touch()
	n.counters.ringSent.Add(1)
}

func (n *Node) sendData(to ringwire.Host, m *ringwire.Data) {
	l := n.reach(to)
	if l == nil || !l.data.post(frameMessage, func(_ *namer, b []byte) []byte { return m.Append(b) }) {
		n.counters.dataDropped.Add(1)
		return
	}
	n.after.post(l.data)
	l.touch()
	n.counters.dataSent.Add(1)
}

// reach returns the link to a host that may be talked to.
func (n *Node) reach(h ringwire.Host) *link {
	e := n.hosts.get(h)
	if e.certificate == nil || h == self || n.trust.isEvicted(e.certificate.Public) {
		return nil
	}
	return n.links.to(h)
}

// unreachable tells core/ring that a host's connection is gone.
func (n *Node) unreachable(h ringwire.Host) {
	n.step("losing a connection", func(now time.Duration) { n.ring.Unreachable(now, h) })
}

// keepTime calls the machines when they want to be called.
func (n *Node) keepTime(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		n.mu.Lock()
		next := n.nextTick()
		if n.broken != nil {
			next = 1<<63 - 1
		}
		n.armed = next
		n.mu.Unlock()
		timer.Reset(min(max(next-n.now(), 0), time.Hour))
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-timer.C:
			n.step("keeping time", func(now time.Duration) {
				n.ring.Tick(now)
				n.data.Tick(now)
			})
		}
	}
}

// enter makes the host a member: of a new ring, of the one whose member admitted it, or again of the one that it was in.
func (n *Node) enter(ctx context.Context) (err error) {
	if n.wasMember {
		if err := n.askSponsors(ctx); err != nil {
			return err
		}
	}
	known := n.recall()
	n.step("entering the ring", func(now time.Duration) {
		switch {
		case n.first && len(known) == 0:
			err = n.ring.Start(now)
		case n.wasMember:
			err = n.ring.Restore(now, known...)
		default:
			err = n.ring.Join(now, known...)
		}
	})
	return err
}

// recall loads the hosts that earlier runs and the admission knew, and returns one position of each.
func (n *Node) recall() (refs []ringwire.Ref) {
	all, err := n.store.known()
	if err != nil {
		n.log.Warn("cannot read the known hosts", "err", err)
	}
	var over [][32]byte // whose certificates are good no more: they come back with new ones, if ever
	for _, p := range append(n.sponsors, all...) {
		h, err := n.hosts.learn(p.certificate, p.presence)
		if errors.Is(err, errUntrusted) {
			over = append(over, p.certificate.Public)
		}
		if err != nil || h == self {
			continue
		}
		refs = append(refs, n.hosts.refs(h)[:1]...)
	}
	if len(refs) > 0 && len(over) > 0 { // that it ever met others, a host must not forget
		if err := n.store.forgetHosts(over...); err != nil {
			n.log.Warn("cannot forget hosts whose certificates are over", "hosts", len(over), "err", err)
		}
	}
	return refs
}

// failAll ends all operations after a fault; mu is held.
func (n *Node) failAll() {
	for op, done := range n.ops {
		delete(n.ops, op)
		done(replica.Result{Status: replica.Broken})
	}
	for token, ch := range n.lookups {
		delete(n.lookups, token)
		ch <- ring.Result{Err: errInternal}
	}
}

// endOperations ends all operations when the node stops.
func (n *Node) endOperations() {
	n.mu.Lock()
	defer n.release()
	for op, done := range n.ops {
		delete(n.ops, op)
		done(replica.Result{Status: replica.Gone})
	}
	for token, ch := range n.lookups {
		delete(n.lookups, token)
		ch <- ring.Result{Err: errStopped}
	}
}

// recovered keeps a panic to the connection that caused it (trust.md, promise 5). Use it as a deferred call.
func (n *Node) recovered(doing string, l *link) {
	if p := recover(); p != nil {
		n.counters.panics.Add(1)
		n.log.Error("internal error", "doing", doing, "panic", p, "stack", string(debug.Stack()))
		if l != nil {
			l.close(codeProtocol, errInternal)
		}
	}
}
