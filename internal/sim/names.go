package sim

import (
	"fmt"
	"strconv"

	"github.com/eddy-p2p/eddy/internal/sim/block"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Names call the peers of a population what people call them: by class, and by a number where the class has several.
type Names []string

// NewNames names a population of sc; numbers follow the order of arrival.
func NewNames(sc *scenario.Scenario, peers []scenario.Peer) Names {
	count, next := make([]int, len(sc.Classes)+1), make([]int, len(sc.Classes)+1)
	for i := range peers {
		count[peers[i].Class+1]++
	}
	out := make(Names, len(peers))
	for i := range peers {
		c := peers[i].Class + 1
		out[i] = "server"
		if c > 0 {
			out[i] = sc.Classes[c-1].Name
		}
		if count[c] > 1 {
			next[c]++
			out[i] += " " + strconv.Itoa(next[c])
		}
	}
	return out
}

// Line writes an event as a line of text without its end: the time in seconds, what happened, to whom.
func (n Names) Line(e block.Event) string {
	at := fmt.Sprintf("%.6f ", e.At.Seconds())
	who := strconv.Quote(n[e.Peer])
	slot := func() string {
		return fmt.Sprintf(" %s gets %d gives %d", strconv.Quote(n[e.Other]), e.Down, e.Up)
	}
	switch e.Kind {
	case block.Joined:
		return at + "join " + who
	case block.Connected:
		return at + "connect " + who + " " + strconv.Quote(n[e.Other])
	case block.Unchoked:
		return at + "unchoke " + who + slot() + " slot " + e.Slot.String()
	case block.Moved:
		return at + "move " + who + slot() + " slot " + e.Was.String() + " " + e.Slot.String()
	case block.Choked:
		return at + "choke " + who + slot() + " slot " + e.Was.String()
	case block.Got:
		return at + "got " + who + " " + strconv.Itoa(int(e.Piece))
	case block.Completed:
		return at + "complete " + who
	case block.Left:
		if e.Failed {
			return at + "fail " + who
		}
		return at + "leave " + who
	}
	return at + "event " + strconv.Itoa(int(e.Kind)) + " " + who
}
