package ring

import (
	"testing"
	"time"
)

// "Suspect only after 3 missed probes": what a busy host leaves unanswered at the same moment is one of them, however many questions it is.
func TestQuestionsAtOnceAreOneMiss(t *testing.T) {
	n := node20(t)
	for range 50 {
		n.measure(30, 10*time.Millisecond)
	}
	for i := range 10 {
		n.Lookup(time.Second, ID{25}, uint64(i), Recursive)
	}
	if got := sent(n); len(got) != 10 {
		t.Fatalf("sent %+v, want ten lookups", got)
	}
	n.now = n.forwards[0].deadline
	n.expireForwards()
	for missed := 1; missed < missedProbes; missed++ {
		if n.thoughtDead(30) || !n.doubtful(30) {
			t.Fatalf("%v after ten questions at once, with %d probes missed: dead %t, doubtful %t", n.now-time.Second, missed-1, n.thoughtDead(30), n.doubtful(30))
		}
		n.expireProbesAt(n.probes[0].deadline)
	}
	if !n.thoughtDead(30) {
		t.Error("never thought dead")
	}
}

// "A position that is not in the ring answers Gone, which counts as its failure": a host that has left, of which somebody who had not heard of it told, is
// listed no more after one probe, although it answers while it hands over.
func TestProbeOfLeftHost(t *testing.T) {
	n := node20(t)
	n.Unreachable(1, 40)
	m := one(t, n, Ping, 40)
	n.Receive(2, 40, &Message{Kind: Gone, Seq: m.Seq + 1}) // of another question
	wantLists(t, n, 10, 30, 40, 50)
	n.Receive(2, 40, &Message{Kind: Gone, Seq: m.Seq})
	wantLists(t, n, 10, 30, 50)
	if len(n.probes) > 0 || n.stats.Dead > 0 {
		t.Errorf("%d probes, %d verdicts", len(n.probes), n.stats.Dead)
	}
}
