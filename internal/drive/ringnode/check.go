package ringnode

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// checks are the checks that are wanted: each asks all hosts of the ring, so those who come while one is under way share the next.
type checks struct {
	turn sync.Mutex // held by the one under way

	mu   sync.Mutex
	next *sharedCheck // not begun; nil = none is wanted
}

// sharedCheck is one check for all who wait for it.
type sharedCheck struct {
	callers int // guarded by checks.mu
	cancel  context.CancelFunc
	done    chan struct{}
	out     ringapi.Check // once done, as err
	err     error
}

// Check compares what the hosts of the ring say, from after the call on. Who calls while others do gets the same answer.
func (n *Node) Check(ctx context.Context) (*ringapi.Check, error) {
	if !n.isReady() {
		return nil, errNotReady
	}
	q := &n.checks
	q.mu.Lock()
	c := q.next
	if c == nil {
		var of context.Context
		c = &sharedCheck{done: make(chan struct{}), err: errNotReady}
		of, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		if !n.links.begin(func() { n.runCheck(of, c) }) {
			q.mu.Unlock()
			c.cancel()
			return nil, n.state()
		}
		q.next = c
	}
	c.callers++
	q.mu.Unlock()
	select {
	case <-c.done:
		out := c.out
		return &out, c.err
	case <-n.ended:
		return nil, n.state()
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.callers--; c.callers == 0 { // nobody wants it any more
		c.cancel()
		if q.next == c {
			q.next = nil
		}
	}
	return nil, ctx.Err()
}

// runCheck does a check when it is its turn.
func (n *Node) runCheck(ctx context.Context, c *sharedCheck) {
	defer close(c.done)
	defer c.cancel()
	defer n.recovered("checking the ring", nil)
	stop := context.AfterFunc(n.links.context(), c.cancel)
	defer stop()
	q := &n.checks
	q.turn.Lock()
	defer q.turn.Unlock()
	q.mu.Lock()
	if q.next == c {
		q.next = nil
	}
	q.mu.Unlock()
	if c.err = ctx.Err(); c.err != nil {
		return
	}
	c.err = errNotReady // should it panic
	if out, err := n.check(ctx); err != nil {
		c.err = err
	} else {
		c.out, c.err = *out, nil
	}
}

// check asks every host of the ring what it knows and holds, and compares: the positions in order, each one's predecessor and
// successors, and the digests of each arc at its holders. What changes while it looks may look like a problem, so it looks again at
// those.
func (n *Node) check(ctx context.Context) (*ringapi.Check, error) {
	w := n.walk(ctx)
	problems := w.problemsOf(n)
	for try := 0; len(problems) > 0 && try < 2 && sleep(ctx, time.Second); try++ {
		w = n.walk(ctx)
		problems = w.problemsOf(n)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &ringapi.Check{Members: []ringapi.Node{}, Problems: problems, Hosts: len(w.views)}
	for _, p := range w.positions {
		out.Members = append(out.Members, n.node(ringwire.Ref{ID: p.self, Host: p.host}))
	}
	n.compareData(ctx, w, out)
	out.OK = len(out.Problems) == 0
	return out, nil
}

// sleep waits, and reports whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// walk is what all hosts said.
type walk struct {
	views     map[ringwire.Host]*memberView
	silent    map[ringwire.Host]error
	positions []walked // in ring order
}

// walked is a position as its host described it.
type walked struct {
	positionView
	host ringwire.Host
}

// walk asks the hosts that this one knows of, then those that they know of, and so on.
func (n *Node) walk(ctx context.Context) *walk {
	w := &walk{views: map[ringwire.Host]*memberView{self: n.ownView()}, silent: make(map[ringwire.Host]error)}
	for next := n.livingOf(w); len(next) > 0; next = w.unasked() {
		var mu sync.Mutex
		n.eachHost(next, func(h ringwire.Host) {
			r, err := n.ask(ctx, h, controlView, func(_ *namer, b []byte) []byte { return b })
			mu.Lock()
			defer mu.Unlock()
			if err == nil && r.view == nil {
				err = fmt.Errorf("it answers something else")
			}
			if err != nil {
				w.silent[h] = err
				return
			}
			w.views[h] = r.view
		})
	}
	for h, v := range w.views {
		for _, p := range v.positions {
			if p.in {
				w.positions = append(w.positions, walked{p, h})
			}
		}
	}
	slices.SortFunc(w.positions, func(a, b walked) int { return a.self.Compare(b.self) })
	return w
}

// livingOf are the hosts to begin a walk with.
func (n *Node) livingOf(w *walk) (out []ringwire.Host) {
	for h := range w.named() {
		if w.views[h] == nil {
			out = append(out, h)
		}
	}
	return out
}

// named are the hosts that somebody's lists name.
func (w *walk) named() map[ringwire.Host]bool {
	out := make(map[ringwire.Host]bool)
	for _, v := range w.views {
		for _, p := range v.positions {
			if p.hasPred {
				out[p.pred.Host] = true
			}
			for _, s := range p.successors {
				out[s.Host] = true
			}
		}
	}
	return out
}

func (w *walk) unasked() (out []ringwire.Host) {
	for h := range w.named() {
		if w.views[h] == nil && w.silent[h] == nil {
			out = append(out, h)
		}
	}
	return out
}

// problemsOf holds what the hosts said against each other.
func (w *walk) problemsOf(n *Node) []string {
	problems := []string{}
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, h := range sortedHosts(w.silent) {
		say("node %s at %v is in somebody's lists, but %v", n.hostID(h), n.hosts.addr(h), w.silent[h])
	}
	count := len(w.positions)
	format := func(id ringwire.ID) string { return n.space.Format(id) }
	for i := range w.positions {
		p := &w.positions[i]
		before, after := &w.positions[(i+count-1)%count], &w.positions[(i+1)%count]
		if count == 1 {
			break
		}
		switch {
		case !p.hasPred:
			say("%s knows no predecessor, which is %s", format(p.self), format(before.self))
		case p.pred.ID != before.self:
			say("%s believes its predecessor to be %s, but it is %s", format(p.self), format(p.pred.ID), format(before.self))
		}
		if len(p.successors) == 0 || p.successors[0].ID != after.self {
			say("the successor of %s is %s, but it believes otherwise", format(p.self), format(after.self))
			continue
		}
		for k, s := range p.successors {
			if k >= count-1 {
				break
			}
			if want := &w.positions[(i+1+k)%count]; s.ID != want.self {
				say("successor %d of %s is %s, but it believes it to be %s", k+1, format(p.self), format(want.self), format(s.ID))
				break
			}
		}
	}
	return problems
}

func sortedHosts[V any](m map[ringwire.Host]V) []ringwire.Host {
	out := make([]ringwire.Host, 0, len(m))
	for h := range m {
		out = append(out, h)
	}
	slices.Sort(out)
	return out
}

// arcHolders is one arc, and what the hosts say who should hold it.
type arcHolders struct {
	arc     ringwire.Arc
	hosts   []ringwire.Host // the R holders, then those who would stand in for them
	holders int             // how many of hosts are holders
	said    []holding       // by hosts
	have    []bool          // who has said something
}

// arcs are the arcs between neighbouring positions, each with its first R hosts and as many after them.
func (w *walk) arcs(replicas int) []arcHolders {
	count := len(w.positions)
	out := make([]arcHolders, count)
	for i := range w.positions {
		a := &out[i]
		a.arc = ringwire.Arc{Lo: w.positions[(i+count-1)%count].self, Hi: w.positions[i].self}
		for k := 0; k < count && len(a.hosts) < 2*replicas; k++ {
			if h := w.positions[(i+k)%count].host; !slices.Contains(a.hosts, h) {
				a.hosts = append(a.hosts, h)
			}
		}
		a.holders = min(replicas, len(a.hosts))
		a.said, a.have = make([]holding, len(a.hosts)), make([]bool, len(a.hosts))
	}
	return out
}

// records are the most users' records that a holder of the arc has, and the fewest.
func (a *arcHolders) records() (most holding, least int) {
	least = 1<<31 - 1
	for i, h := range a.said[:a.holders] {
		if !a.have[i] {
			h = holding{}
		}
		if h.keys+h.tombstones > most.keys+most.tombstones {
			most = h
		}
		least = min(least, h.keys+h.tombstones)
	}
	return most, least
}

// alike reports whether all holders have said the same.
func (a *arcHolders) alike() bool {
	for i := range a.said[:a.holders] {
		if !a.have[i] || a.said[i].sum != a.said[0].sum {
			return false
		}
	}
	return true
}

// sure counts the first hosts that answer for the arc.
func (a *arcHolders) sure(hosts int) (count int) {
	for i := range a.said[:hosts] {
		if a.have[i] && a.said[i].sure {
			count++
		}
	}
	return count
}

// compareData compares what the holders of each arc hold, and whether they answer for it.
func (n *Node) compareData(ctx context.Context, w *walk, out *ringapi.Check) {
	p := n.trust.identity().parameters
	arcs := w.arcs(p.Replicas)
	unsettled := make([]*arcHolders, len(arcs))
	for i := range arcs {
		unsettled[i] = &arcs[i]
	}
	for try := 0; ; try++ { // a write may have been on its way
		n.askHolders(ctx, unsettled)
		unsettled = slices.DeleteFunc(unsettled, func(a *arcHolders) bool { return a.alike() && a.sure(a.holders) == a.holders })
		if len(unsettled) == 0 || try == 3 || !sleep(ctx, 500*time.Millisecond) {
			break
		}
	}
	out.Arcs = len(arcs)
	need := max(p.Read, p.Write)
	for i := range arcs {
		a := &arcs[i]
		most, least := a.records()
		out.Keys, out.Tombstones = out.Keys+most.keys, out.Tombstones+most.tombstones
		if all := most.keys + most.tombstones; a.holders < p.Replicas {
			out.UnderReplicated += all
		} else {
			out.UnderReplicated += all - least
		}
		if !a.alike() {
			out.Differing++
		}
		if a.sure(a.holders) < a.holders {
			out.Unsure++
		}
		if a.sure(len(a.hosts)) < need {
			out.Refused++
		}
	}
	out.Problems = append(out.Problems, dataProblems(out, p)...)
}

// dataProblems puts what is wrong with the data into words.
func dataProblems(c *ringapi.Check, p ringwire.Parameters) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if c.Refused > 0 && c.Hosts >= max(p.Read, p.Write) {
		say("%d of %d arcs are answered for by fewer hosts than a read or write needs: keys there are refused until their holders are back", c.Refused, c.Arcs)
	}
	if c.Unsure > 0 {
		say("%d of %d arcs have holders that are not synchronised yet", c.Unsure, c.Arcs)
	}
	switch {
	case c.Hosts < p.Replicas: // with no key yet, too: the first will have too few copies
		say("%d of %d hosts: too few for %[2]d copies of each key", c.Hosts, p.Replicas)
	case c.UnderReplicated > 0:
		say("%d keys, deleted ones too, have fewer than %d copies", c.UnderReplicated, p.Replicas)
	}
	if c.Differing > 0 {
		say("the holders of %d of %d arcs do not hold the same", c.Differing, c.Arcs)
	}
	return problems
}

// askHolders asks the hosts of some arcs what they hold there.
func (n *Node) askHolders(ctx context.Context, arcs []*arcHolders) {
	type place struct {
		arc  *arcHolders
		host int
	}
	byHost := make(map[ringwire.Host][]place)
	for _, a := range arcs {
		for k, h := range a.hosts {
			a.have[k] = false
			byHost[h] = append(byHost[h], place{a, k})
		}
	}
	var mu sync.Mutex
	n.eachHost(sortedHosts(byHost), func(h ringwire.Host) {
		for part := range slices.Chunk(byHost[h], maxSums) {
			list := make([]ringwire.Arc, len(part))
			for i, p := range part {
				list[i] = p.arc.arc
			}
			said := n.holdingsOf(ctx, h, list)
			mu.Lock()
			for i, s := range said {
				p := part[i]
				p.arc.said[p.host], p.arc.have[p.host] = s, true
			}
			mu.Unlock()
		}
	})
}

// holdingsOf asks a host what it holds; nil if it does not answer as it should.
func (n *Node) holdingsOf(ctx context.Context, h ringwire.Host, arcs []ringwire.Arc) []holding {
	if h == self {
		return n.ownHoldings(arcs)
	}
	r, err := n.ask(ctx, h, controlSums, func(_ *namer, b []byte) []byte { return appendArcs(b, arcs) })
	if err != nil || len(r.holdings) != len(arcs) {
		return nil
	}
	return r.holdings
}
