// Package processes does to rings of eddy ring node what machines and networks do: it kills one, two or all of their nodes, restarts
// them, and cuts the network in two, while clients read and write. Package history decides whether the ring kept its
// promises (issue 4, "Processes"). The bounds of 60 s are the issue's; all others only keep a failure from hanging.
package processes

import (
	"flag"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// The ring has 20 nodes. They have 4 positions each here instead of 16, since all of them share this machine's cores.
var (
	nodesFlag  = flag.Int("nodes", 20, "how many nodes the rings have, at least 6")
	vnodesFlag = flag.Int("vnodes", 4, "positions of each node")
	splitFlag  = flag.Duration("split", time.Minute, "how long halves of a ring stay apart")
)
