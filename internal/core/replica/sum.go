package replica

import "github.com/eddy-p2p/eddy/internal/format/ringwire"

// Holding is what a host holds in an arc. The driver's walk around the ring compares the holders of each arc by it.
type Holding struct {
	Sum        ringwire.Sum // two hosts that hold the same have the same
	Tombstones int          // of Sum.Count, records of deleted and ended keys
	Sure       bool         // the host answers for all of the arc
}

// Holding tells what this host holds in an arc.
func (r *Replica) Holding(arc ringwire.Arc) Holding {
	s := spansOf(arc)
	return Holding{Sum: r.index.sum(ringwire.Prefix{}, s), Tombstones: r.index.dead(s), Sure: !r.broken && r.arcs.sure.covers(s)}
}
