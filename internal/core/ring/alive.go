package ring

import "github.com/eddy-p2p/eddy/internal/format/ringwire"

// Alive reports whether h is not known to be dead or gone: by an own verdict, or by news of the membership.
func (n *Node) Alive(h Host) bool {
	if h == n.cfg.Self {
		return n.phase != left
	}
	if i, ok := n.hostAt(h); ok && n.hosts[i].dead {
		return false
	}
	if n.members == nil {
		return true
	}
	state := n.members.state(h)
	return state != ringwire.Dead && state != ringwire.Left
}
