package block

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
)

// nobody is no peer and no end.
const nobody = -1

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	Joined    EventKind = iota + 1 // Peer comes
	Connected                      // Peer, who dialled, and Other have a connection
	Unchoked                       // Peer, who choked Other, gives it a slot: Slot says which
	Moved                          // Peer, who has Other unchoked, gives it another kind of slot: Was and Slot. From optimistic to regular is a promotion
	Choked                         // Peer takes its slot from Other: Was
	Got                            // Peer has verified piece Piece
	Completed                      // Peer has everything
	Left                           // Peer is gone
)

// Event is something that happened, for those who tell the story of a swarm.
type Event struct {
	At    time.Duration
	Kind  EventKind
	Peer  int32 // index in the population
	Other int32 // the same, or -1

	Was, Slot swarm.Slot // Unchoked, Moved, Choked: before and after
	Down, Up  int64      // the same: bytes/s that Peer gets from and sends to Other, over 20 s, as its choker sees it
	Better    int        // the same: from how many others that want something of it Peer gets more. Less than its slots: Other is among the best
	Piece     int32      // Got
	Failed    bool       // Left
}

// tell passes an event on.
func (m *simulation) tell(e Event) {
	if m.opt.Trace != nil {
		e.At = m.now
		m.opt.Trace(e)
	}
}

// watch tells what changed in the slots of node i.
func (m *simulation) watch(i int32) {
	n := &m.nodes[i]
	if n.mute {
		return
	}
	for h, k := range n.conns {
		if k < 0 {
			continue
		}
		e := &m.ends[k]
		now := n.sw.Standing(swarm.Peer(h))
		if now.Slot == e.slot {
			continue
		}
		kind := Moved
		switch {
		case e.slot == swarm.NoSlot:
			kind = Unchoked
		case now.Slot == swarm.NoSlot:
			kind = Choked
		}
		m.tell(Event{Kind: kind, Peer: i, Other: m.ends[k^1].node, Was: e.slot, Slot: now.Slot, Down: now.Down, Up: now.Up,
			Better: n.better(now.Down)})
		e.slot = now.Slot
	}
}

// better counts the neighbours that want something of the node and send it more than down bytes/s.
func (n *node) better(down int64) (count int) {
	for h, k := range n.conns {
		if k < 0 || n.sw.Standing(swarm.Peer(h)).Down <= down {
			continue
		}
		if st, ok := n.sw.PeerStats(swarm.Peer(h)); ok && st.Interested {
			count++
		}
	}
	return count
}
