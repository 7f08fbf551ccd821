package replica

import "time"

// census is what the view said of the ring's majority at one time.
type census struct {
	at          time.Duration
	yes, counts bool
}

// need is how many of a group of n must be among any W of them: so many know all that was acknowledged, and can make others sure.
func (r *Replica) need(n int) int { return max(1, n-r.cfg.Write+1) }

// even reports whether two parts of a group of n, without a host in common, can both have so many: W = R, or nearly. Then the group alone cannot tell which part
// has to wait for the other. The ring can: two parts of that cannot both be more than half of it.
func (r *Replica) even(n int) bool { return 2*r.need(n) <= n }

// places is how many hosts a group of p can have, as this host sees the ring now.
func (r *Replica) places(p *piece) int { return min(r.cfg.Replicas, len(p.holders)) }

// count asks the view, once for each time.
func (r *Replica) count() census {
	if c := &r.arcs.census; c.at != r.now || r.now == 0 {
		c.at = r.now
		c.yes, c.counts = r.cfg.View.Majority(r.now)
	}
	return r.arcs.census
}

// majority reports whether this host hears from more than half of the ring.
func (r *Replica) majority() bool { return r.count().yes || r.cfg.Faults.Majority }

// counting reports whether anybody in this ring counts. Where nobody does, both parts of an even group lapse, and become sure again when all are there.
func (r *Replica) counting() bool { return r.count().counts }

// cutOff reports whether this host may be on the smaller side of a cut through the ring, on which nobody may take a place.
func (r *Replica) cutOff() bool { return r.counting() && !r.majority() }

// abandoned reports whether p has waited for the others of its group for so long that they are taken for lost for ever.
func (r *Replica) abandoned(p *piece) bool { return r.cfg.GiveUp > 0 && r.now-p.since > r.cfg.GiveUp }
