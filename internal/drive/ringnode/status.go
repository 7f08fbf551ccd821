package ringnode

import (
	"context"
	"fmt"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// snapshot is what both machines say at one moment.
type snapshot struct {
	view   ring.View
	stats  replica.Stats
	broken error
	full   bool
}

func (n *Node) snapshot() snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := snapshot{broken: n.broken, full: n.full}
	if n.ring != nil {
		s.view, s.stats = n.ring.View(), n.data.Stats()
	}
	return s
}

// Status is this node's view of itself and its ring: predecessor and successors of its first position, the fingers of all.
func (n *Node) Status(context.Context) (*ringapi.Status, error) {
	if !n.isReady() {
		return nil, errNotReady
	}
	s := n.snapshot()
	out := &ringapi.Status{ID: n.ID(), Addr: n.Addr().String(), Successors: []ringapi.Node{}, Fingers: []ringapi.Node{}, Keys: s.stats.Keys, Tombstones: s.stats.Tombstones,
		Bytes: s.stats.Bytes, UnderReplicated: s.stats.UnderReplicated, Members: s.view.Members, Counters: n.counts()}
	for _, r := range n.systemRecords() {
		if r.alive {
			out.Keys--
		} else {
			out.Tombstones--
		}
	}
	seen := make(map[ringwire.Ref]bool)
	for i := range s.view.Positions {
		p := &s.view.Positions[i]
		if n.space.Format(p.Self.ID) == out.ID {
			if p.HasPredecessor {
				pred := n.node(p.Predecessor)
				out.Predecessor = &pred
			}
			for _, ref := range p.Successors {
				out.Successors = append(out.Successors, n.node(ref))
			}
		}
		for _, ref := range p.Fingers {
			if !seen[ref] {
				seen[ref] = true
				out.Fingers = append(out.Fingers, n.node(ref))
			}
		}
	}
	out.State, out.Reasons = n.health(&s)
	return out, nil
}

// node names a position for people.
func (n *Node) node(ref ringwire.Ref) ringapi.Node {
	return ringapi.Node{ID: n.space.Format(ref.ID), Addr: n.hosts.addr(ref.Host).String()}
}

// health says whether the node can do what it should, and if not, why.
func (n *Node) health(s *snapshot) (state string, reasons []string) {
	reasons = []string{}
	say := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	id := n.trust.identity()
	if s.broken != nil {
		say("%v", s.broken)
	}
	if s.stats.BrokenStore {
		say("the disk failed: the node answers for nothing until it is started again")
	}
	if s.full {
		say("the disk is nearly full: writes are refused")
	}
	if s.view.Members < id.parameters.Replicas {
		say("%d of the %d hosts that each key should be on", s.view.Members, id.parameters.Replicas)
	}
	if s.stats.Unsure > 0 {
		say("%d of %d arcs are not synchronised yet", s.stats.Unsure, s.stats.Arcs)
	}
	if v := n.counters.violations.Load(); v > 0 {
		say("the ring's invariant was found broken %d times", v)
	}
	switch {
	case len(reasons) > 0:
		state = ringapi.StateDegraded
	case s.view.Merging:
		state = ringapi.StateMerging
		say("two rings are becoming one")
	default:
		state = ringapi.StateOK
	}
	return state, reasons
}

// systemRecord is one of the ring's own records as this host holds it.
type systemRecord struct {
	position ringwire.ID
	alive    bool // it has members
}

// systemRecords are those of the ring's own records that this host holds: they are not the users' keys.
func (n *Node) systemRecords() (out []systemRecord) {
	for _, key := range systemKeys {
		if r, err := n.store.Load(n.now(), key); err == nil && r != nil {
			out = append(out, systemRecord{n.space.Hash(ringwire.KeyTag, []byte(key)), r.HasLive()})
		}
	}
	return out
}
