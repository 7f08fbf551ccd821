package replica

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// wholeRing makes a ring of four hosts at rest, in which 3, 4 and 1 hold "film" (at 113) and 2 does not.
func wholeRing() *net {
	n := newNet()
	for pos := range uint64(4) {
		n.add(10 + 60*pos).start()
	}
	n.run(20 * time.Second)
	return n
}

// shown runs a get at a host and returns the messages, and how many of them had a record.
func shown(n *net, at *host, want string) (trace string, records int) {
	var out strings.Builder
	n.log = func(line string) {
		if line != "" {
			fmt.Fprintln(&out, line)
		}
	}
	n.see = func(_, _ *host, m *ringwire.Data) *ringwire.Data {
		if m.Record != nil {
			records++
		}
		return m
	}
	var res strings.Builder
	n.operate(&res, false, at, []string{"get", "x", "film"})
	n.log, n.see = func(string) {}, nil
	if !strings.HasPrefix(res.String(), want) {
		return res.String() + out.String(), records
	}
	return out.String(), records
}

// TestOnce: a value crosses the network once at most: not at all where the coordinator holds it and the other holder has the same.
func TestOnce(t *testing.T) {
	n := wholeRing()
	var out strings.Builder
	n.operate(&out, false, n.hosts[0], []string{"put", "1", "film", "a"})
	n.run(time.Second)
	for i, want := range []int{0, 1, 0, 0} {
		if trace, got := shown(n, n.hosts[i], "get x film: ok [a]"); got != want {
			t.Errorf("a get at host %d: %d records, want %d\n%s", i+1, got, want, trace)
		}
	}
}

// TestDigestOfWhatNobodyShows: who says that it has something must show it, or does not count: neither by the digest of the coordinator's own
// record, which is true for whoever has it, nor by one that nobody can check.
func TestDigestOfWhatNobodyShows(t *testing.T) {
	for _, at := range []int{0, 1} { // a holder, and a host that is none
		n := wholeRing()
		var out strings.Builder
		n.operate(&out, false, n.hosts[0], []string{"put", "1", "film", "a"})
		n.run(time.Second)
		liar := n.hosts[2]
		n.see = func(from, _ *host, m *ringwire.Data) *ringwire.Data {
			if from == liar && m.Kind == ringwire.DataAnswer {
				lie := *m
				lie.Same, lie.Record, lie.Digest = true, nil, ringwire.Digest{1}
				return &lie
			}
			return m
		}
		var res strings.Builder
		begin := n.now
		n.operate(&res, false, n.hosts[at], []string{"get", "x", "film"})
		if !strings.HasPrefix(res.String(), "get x film: ok [a] on") || strings.Contains(res.String(), "on 3") || n.now-begin > time.Second {
			t.Errorf("at host %d, after %v: %s", at+1, n.now-begin, res.String())
		}
	}
}

// TestSilentAfterDigest: a holder that tells its digest and then goes away is waited for no longer than any other.
func TestSilentAfterDigest(t *testing.T) {
	n := wholeRing()
	var out strings.Builder
	n.operate(&out, false, n.hosts[0], []string{"put", "1", "film", "a"})
	n.run(time.Second)
	// Host 2 asks 3, whose first answer is lost, for the record, and 4 for its digest, which is all that it ever tells. The third holder has it too.
	answers := map[*host]int{}
	n.see = func(from, _ *host, m *ringwire.Data) *ringwire.Data {
		if m.Kind != ringwire.DataAnswer {
			return m
		}
		answers[from]++
		if from == n.hosts[2] && answers[from] == 1 || from == n.hosts[3] && answers[from] > 1 {
			return nil
		}
		return m
	}
	var res strings.Builder
	n.operate(&res, false, n.hosts[1], []string{"get", "x", "film"})
	if !strings.HasPrefix(res.String(), "get x film: ok [a]") || answers[n.hosts[3]] < 2 {
		t.Errorf("with two of three holders: %s (%d answers of the one that goes away)", res.String(), answers[n.hosts[3]])
	}
}

// TestForgetsWhatItRead: what an operation has read is gone with it, though its next time is still to come.
func TestForgetsWhatItRead(t *testing.T) {
	n := wholeRing()
	var out strings.Builder
	n.operate(&out, false, n.hosts[0], []string{"put", "1", "film", strings.Repeat("a", 1000)})
	n.operate(&out, false, n.hosts[1], []string{"get", "2", "film"})
	for _, h := range n.hosts[:2] {
		items := h.r.order.h.items
		if len(items) == 0 {
			t.Error("nothing is in the order any more: the test shows nothing")
		}
		for _, it := range items {
			if o := it.what; o.merged.rec != nil || o.base.rec != nil || o.target != nil || o.put.Value != nil {
				t.Errorf("host %d: an operation that has ended keeps a record", h.id)
			}
			if it.at > n.now+h.r.cfg.Retry {
				t.Errorf("host %d: it is kept for %v", h.id, it.at-n.now)
			}
		}
	}
}
