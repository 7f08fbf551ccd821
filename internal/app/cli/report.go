package cli

import (
	"fmt"
	"math"
	"time"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// knownRates is what the user knows of the machines taking part.
type knownRates struct {
	server rate // upload of the machine that shares; 0 = unknown
	peer   rate // upload of each receiver
	peers  int  // receivers in all; 0 = this one alone
}

func (k *knownRates) check() error {
	switch {
	case k.peers < 0:
		return usageError("--peers-total must not be negative")
	case k.server == 0 && (k.peer > 0 || k.peers > 0):
		return usageError("--peer-rate and --peers-total need --server-rate too")
	case k.peer > 0 && k.peers == 0:
		return usageError("--peer-rate needs --peers-total too")
	}
	return nil
}

// bound returns the least time for bytes at the rates that are known; false when none is.
func (k *knownRates) bound(bytes, limitDown int64) (theory.Bound, bool) {
	if bytes <= 0 || k.server == 0 && limitDown == 0 {
		return theory.Bound{}, false
	}
	server := math.Inf(1)
	if k.server > 0 {
		server = float64(k.server)
	}
	return theory.P2P(float64(bytes), server, theory.Class{Peers: max(1, k.peers), Up: float64(k.peer), Down: float64(limitDown)}), true
}

// report is how a transfer went.
type report struct {
	bytes        int64   // of the wanted content
	fetched      int64   // of them by this run; the rest was there
	wall         float64 // seconds from the start to the last verified piece
	mean         float64 // bytes/s of fetched
	peers        int     // that gave something
	wasted       int64
	hashFailures int
	bound        *theory.Bound
}

func newReport(s *eddy.Stats, rates *knownRates, limitDown int64) *report {
	r := &report{
		bytes: s.Wanted, fetched: min(s.Downloaded-s.Wasted, s.Wanted), wall: s.Elapsed.Seconds(), peers: s.Contributors,
		wasted: s.Wasted, hashFailures: s.HashFailures,
	}
	if r.wall > 0 {
		r.mean = float64(r.fetched) / r.wall
	}
	if b, ok := rates.bound(r.fetched, limitDown); ok && b.Seconds > 0 {
		r.bound = &b
	}
	return r
}

// event is the report for programs.
func (r *report) event(path, infohash string) completeEvent {
	e := completeEvent{
		Type: "complete", Path: path, Infohash: infohash, Bytes: r.bytes, Wall: r.wall, MeanBPS: r.mean,
		Peers: r.peers, Wasted: r.wasted, HashFailures: r.hashFailures,
	}
	if r.bound != nil {
		ratio := r.wall / r.bound.Seconds
		e.Bound, e.Ratio = &r.bound.Seconds, &ratio
	}
	return e
}

// lines is the report for people.
func (r *report) lines(name string) []string {
	if r.fetched == 0 {
		return []string{fmt.Sprintf("%s is complete: %s were there already and are verified", name, units.FormatSize(r.bytes))}
	}
	line := fmt.Sprintf("%s is complete: %s in %s (mean %s) from %s, %s wasted", name, units.FormatSize(r.fetched), units.FormatDuration(seconds(r.wall)),
		units.FormatRate(int64(r.mean)), units.Plural(r.peers, "peer"), units.FormatSize(r.wasted))
	if r.hashFailures > 0 {
		line += fmt.Sprintf(", %s failed the hash", units.Plural(r.hashFailures, "piece"))
	}
	if there := r.bytes - r.fetched; there > 0 {
		line += fmt.Sprintf("; %s were there already", units.FormatSize(there))
	}
	lines := []string{line}
	if r.bound != nil {
		line := fmt.Sprintf("the theoretical minimum is %s, set by the %s; time / minimum = %.2f",
			units.FormatDuration(seconds(r.bound.Seconds)), limitNames[r.bound.Limit], r.wall/r.bound.Seconds)
		if r.wall < 0.995*r.bound.Seconds { // what is printed as 1.00 needs no excuse
			// The rates are what the user says; and a limit saves a burst while nothing is sent, as the simulator says of its peers.
			line += " (less than 1: limited peers that were idle may send a burst first, 64 KiB or 50 ms of the rate; or the rates are higher than was said)"
		}
		lines = append(lines, line)
	}
	return lines
}

// limitNames says what sets a bound in a sentence.
var limitNames = map[theory.Limit]string{
	theory.LimitServer:    "server's upload",
	theory.LimitDownload:  "download limit",
	theory.LimitAggregate: "sum of all uploads",
}

// seconds turns the theory's seconds into a Duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
