package replica

import "github.com/eddy-p2p/eddy/internal/format/ringwire"

// Sum is the digest of what this host holds in an arc: two hosts that hold the same have the same. The driver's walk around the ring
// compares the holders of each arc by it.
func (r *Replica) Sum(arc ringwire.Arc) ringwire.Sum {
	return r.index.sum(ringwire.Prefix{}, spansOf(arc))
}
