package lab

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is asked for and when: at no time was more let through than the rate allows since then, but for the slack and the
// last request.
func TestPacerNeverExceedsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rate = 1_000_000
		p := newPacer(rate)
		now := time.Unix(1000, 0)
		type let struct {
			at time.Time
			n  int
		}
		var all []let
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "ms")) * time.Millisecond)
			n := rapid.IntRange(1, paceUnit).Draw(t, "n")
			at := p.pay(now, n)
			if at.Before(now) {
				at = now
			}
			all = append(all, let{at, n})
		}
		for i := range all {
			sum := 0
			for _, l := range all[i:] {
				sum += l.n
				if span := l.at.Sub(all[i].at).Seconds(); float64(sum) > (span+paceSlack.Seconds())*rate+paceUnit+1 {
					t.Fatalf("%d bytes within %v s", sum, span)
				}
			}
		}
	})
}

// One that is always busy gets all of its rate.
func TestPacerReachesItsRate(t *testing.T) {
	p := newPacer(1e6)
	start := time.Unix(0, 0)
	now := start
	for range 1000 {
		if at := p.pay(now, 10_000); at.After(now) {
			now = at
		}
	}
	if took := now.Sub(start).Seconds(); took < 9.95 || took > 10.01 {
		t.Errorf("10 MB at 1 MB/s took %v s", took)
	}
	if newPacer(0) != nil {
		t.Error("no limit is a pacer")
	}
}
