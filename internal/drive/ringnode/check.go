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

// Check asks every host of the ring what it knows and holds, and compares: the positions in order, each one's predecessor and
// successors, and the digests of each arc at its holders. What changes while it looks may look like a problem, so it looks again at
// those.
func (n *Node) Check(ctx context.Context) (*ringapi.Check, error) {
	if !n.isReady() {
		return nil, errNotReady
	}
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
	out.OK = len(out.Problems) == 0 && out.Differing == 0 && out.UnderReplicated == 0
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

// arcHolders is one arc and who should hold it.
type arcHolders struct {
	arc     ringwire.Arc
	holders []ringwire.Host
	sums    []ringwire.Sum // of the holders; compared when all are there
	have    []bool
}

// arcs are the arcs between neighbouring positions, each with its first R hosts.
func (w *walk) arcs(replicas int) []arcHolders {
	count := len(w.positions)
	out := make([]arcHolders, count)
	for i := range w.positions {
		a := &out[i]
		a.arc = ringwire.Arc{Lo: w.positions[(i+count-1)%count].self, Hi: w.positions[i].self}
		for k := 0; k < count && len(a.holders) < replicas; k++ {
			if h := w.positions[(i+k)%count].host; !slices.Contains(a.holders, h) {
				a.holders = append(a.holders, h)
			}
		}
		a.sums, a.have = make([]ringwire.Sum, len(a.holders)), make([]bool, len(a.holders))
	}
	return out
}

// compareData compares what the holders of each arc hold.
func (n *Node) compareData(ctx context.Context, w *walk, out *ringapi.Check) {
	id := n.trust.identity()
	arcs := w.arcs(id.parameters.Replicas)
	all := make([]int, len(arcs))
	for i := range all {
		all[i] = i
	}
	differing := n.differing(ctx, arcs, all)
	for try := 0; len(differing) > 0 && try < 3 && sleep(ctx, 500*time.Millisecond); try++ { // a write may have been on its way
		differing = n.differing(ctx, arcs, differing)
	}
	out.Differing = len(differing)
	for i := range arcs {
		most, least := arcs[i].counts()
		out.Keys += most
		if len(arcs[i].holders) < id.parameters.Replicas {
			out.UnderReplicated += most
		} else {
			out.UnderReplicated += most - least
		}
	}
	if hosts := len(w.views); hosts < id.parameters.Replicas { // with no key yet, too: the first will have too few copies
		out.Problems = append(out.Problems, fmt.Sprintf("%d of %d hosts: too few for %[2]d copies of each key", hosts, id.parameters.Replicas))
	}
	for _, key := range systemKeys { // they are no user's
		if members, err := n.readSet(ctx, key); err == nil && len(members) > 0 {
			out.Keys--
			if len(w.views) < id.parameters.Replicas {
				out.UnderReplicated--
			}
		}
	}
}

// counts are the most and the fewest records that a holder of the arc has.
func (a *arcHolders) counts() (most, least int) {
	least = 1<<31 - 1
	for i, s := range a.sums {
		if a.have[i] {
			most, least = max(most, int(s.Count)), min(least, int(s.Count))
		} else {
			least = 0
		}
	}
	return most, min(most, least)
}

// differing asks the holders of some arcs for digests, and returns the arcs whose holders differ, or did not answer.
func (n *Node) differing(ctx context.Context, arcs []arcHolders, which []int) (out []int) {
	type place struct{ arc, holder int }
	byHost := make(map[ringwire.Host][]place)
	for _, i := range which {
		for k, h := range arcs[i].holders {
			arcs[i].have[k] = false
			byHost[h] = append(byHost[h], place{i, k})
		}
	}
	var mu sync.Mutex
	n.eachHost(sortedHosts(byHost), func(h ringwire.Host) {
		for part := range slices.Chunk(byHost[h], maxSums) {
			list := make([]ringwire.Arc, len(part))
			for i, p := range part {
				list[i] = arcs[p.arc].arc
			}
			sums := n.sumsOf(ctx, h, list)
			mu.Lock()
			for i, s := range sums {
				p := part[i]
				arcs[p.arc].sums[p.holder], arcs[p.arc].have[p.holder] = s, true
			}
			mu.Unlock()
		}
	})
	for _, i := range which {
		a := &arcs[i]
		for k := range a.sums {
			if !a.have[k] || a.sums[k] != a.sums[0] {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// sumsOf asks a host for digests; nil if it does not answer as it should.
func (n *Node) sumsOf(ctx context.Context, h ringwire.Host, arcs []ringwire.Arc) []ringwire.Sum {
	if h == self {
		return n.ownSums(arcs)
	}
	r, err := n.ask(ctx, h, controlSums, func(_ *namer, b []byte) []byte { return appendArcs(b, arcs) })
	if err != nil || len(r.sums) != len(arcs) {
		return nil
	}
	return r.sums
}
