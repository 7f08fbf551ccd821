package ringnode

import (
	"fmt"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// enough refuses at once what cannot succeed, instead of waiting out the operation's time: a ring in which fewer hosts were ever seen than
// have to take part. Hosts that are away still count here; for those it is worth to wait.
func (n *Node) enough(doing string, need func(ringwire.Parameters) int) error {
	if !n.isReady() {
		return errNotReady
	}
	hosts, wanted := n.hosts.len(), need(n.trust.identity().parameters)
	if hosts >= wanted {
		return nil
	}
	return &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("%s needs %d hosts, and the ring has %d", doing, wanted, hosts),
		Hint: "start other nodes with --join, or begin the ring anew with --replicas 1 --write 1 --read 1"}
}

func (n *Node) enoughToRead() error {
	return n.enough("a read", func(p ringwire.Parameters) int { return p.Read })
}

// enoughToWrite asks for the read quorum too: a write begins by reading what it replaces.
func (n *Node) enoughToWrite() error {
	return n.enough("a write", func(p ringwire.Parameters) int { return max(p.Write, p.Read) })
}
