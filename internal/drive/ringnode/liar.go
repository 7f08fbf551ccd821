package ringnode

import (
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Liar makes a member of this host that is let in like any other and then does not keep the rules: what the machines want to send goes through
// it, and what comes out is sent. The test of a rogue member needs such a one. Only programs built with the tag
// ringrogue can set it, which none of ours is.
type Liar struct {
	Ring func(to ringwire.Host, m *ring.Message) []*ring.Message
	Data func(to ringwire.Host, m *ringwire.Data) []*ringwire.Data
}

func (n *Node) lieRing(to ringwire.Host, m *ring.Message) {
	for _, lie := range n.cfg.liar.Ring(to, m) {
		n.sendRing(to, lie)
	}
}

func (n *Node) lieData(to ringwire.Host, m *ringwire.Data) {
	for _, lie := range n.cfg.liar.Data(to, m) {
		n.sendData(to, lie)
	}
}
