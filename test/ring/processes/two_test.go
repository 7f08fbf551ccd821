package processes

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestTwoAdjacent holds "W=3, any 2 adjacent ones: no acknowledged write lost, full replication again within 60 s", and that within the same time every key is read
// through every node: of three holders one is left, which must not take itself for the one that is cut off.
func TestTwoAdjacent(t *testing.T) {
	t.Parallel()
	harness.Need(t)
	c := grow(t, harness.Deadline(t, 4*time.Minute), *nodesFlag, "--write", "3")
	l := c.startLoad("two", think, true)
	c.wait(10 * time.Second)
	victim := c.nodes[len(c.nodes)/2]
	lost := []*node{victim, c.after(victim)}
	for _, n := range lost {
		n.kill()
	}
	at := time.Now()
	for _, n := range lost {
		n.proc.Wait(c.ctx)
	}
	c.wait(25 * time.Second) // during which others begin to take their places
	l.end()
	for _, n := range lost {
		n.forgotten = true
	}
	c.settle(at)
	if took := time.Since(at); took > time.Minute {
		t.Errorf("all keys were read through all nodes only after %s", took.Round(time.Second))
	}
}

// after is the node whose position follows n's first one, other than n.
func (c *cluster) after(n *node) *node {
	c.t.Helper()
	client, err := n.dial()
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := client.Status(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range s.Successors {
		for _, o := range c.nodes {
			if o != n && o.addr() == x.Addr {
				return o
			}
		}
	}
	c.t.Fatalf("node %d has no successor: %v", n.number, s.Successors)
	return nil
}
