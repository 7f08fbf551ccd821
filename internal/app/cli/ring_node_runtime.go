package cli

import (
	"os"
	"runtime"
	"runtime/debug"
)

// nodeGC is how much a node's heap may grow between collections, in per cent of what is in use. That is a few MB beside what the store maps, and messages and
// values come and go at a hundred times that a second: at Go's 100 a node under load collects all the time.
const nodeGC = 400

// tuneNode sets Go's runtime up for a process that is a ring node and nothing else; GOMAXPROCS and GOGC in the environment go before.
//
// A message goes through five goroutines from socket to socket, and all of them meet at the one lock around a node's machines. Go wakes another thread
// at each of these steps while a processor is idle, only to find that the work is done: on two processors that was a quarter of what a get costs the
// nodes (docs/bench.md). So a node takes half of the processors; the kernel's network and disk, and whoever asks, have use for the rest.
func tuneNode() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(nodeGC)
	}
}
