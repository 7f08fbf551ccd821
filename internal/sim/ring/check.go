package ring

import core "github.com/eddy-p2p/eddy/internal/core/ring"

// living returns the nodes that run.
func (r *run) living() []*core.Node {
	var nodes []*core.Node
	for h := range r.net.hosts {
		if n := r.net.hosts[h].node; n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// check holds the ring against its invariant, and counts what does not hold.
func (r *run) check() { r.result.Violations += len(core.CheckRing(r.living())) }

// checkAssumption looks, when hosts have failed at once, whether they left what the protocol's proof assumes: every member a live successor, and
// r+1 principals (Zave 2017). What they did not leave the protocol is not to blame for.
func (r *run) checkAssumption() {
	r.result.AssumptionBroken += uint64(len(core.CheckRing(r.living())))
}

// gather adds up what a host counted, when it fails or at the end.
func (r *run) gather(h core.Host) {
	if n := r.net.hosts[h].node; n != nil {
		r.result.AssumptionBroken += n.View().Stats.AssumptionBroken
	}
}
