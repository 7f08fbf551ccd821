package cli

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy"
)

// The clock of a delivery runs from the first receiver's coming to the last copy: neither the wait before nor what comes after counts.
func TestDelivery(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	type look struct {
		at     int
		stats  eddy.Stats
		came   int // 0 = nobody told the tracker
		done   int
		copies int
	}
	for name, row := range map[string]struct {
		looks []look
		want  time.Duration
		none  bool
	}{
		"nobody came":              {looks: []look{{at: 60_000}}, none: true},
		"only seeds came":          {looks: []look{{at: 60_000, stats: eddy.Stats{Peers: 3, Seeds: 3}}}, none: true},
		"one came, without a copy": {looks: []look{{at: 60_000, stats: eddy.Stats{Needy: 1}}, {at: 70_000, stats: eddy.Stats{Needy: 1}}}, want: 20 * time.Second},
		"looks alone": {looks: []look{{at: 5000}, {at: 60_000, stats: eddy.Stats{Needy: 2}}, {at: 64_000, stats: eddy.Stats{Uploaded: 9}, copies: 1},
			{at: 66_000, stats: eddy.Stats{}, copies: 2}, {at: 79_000, copies: 2}}, want: 6 * time.Second},
		"the tracker knows to the moment": {looks: []look{{at: 60_200, stats: eddy.Stats{Needy: 1}, came: 60_010}, {at: 64_200, copies: 1, came: 60_010, done: 64_050}},
			want: 4040 * time.Millisecond},
		"the last told only its peers": {looks: []look{{at: 60_200, came: 60_000}, {at: 64_200, copies: 1, came: 60_000, done: 64_050},
			{at: 66_000, copies: 2, came: 60_000, done: 64_050}}, want: 6 * time.Second},
	} {
		var d delivery
		for _, l := range row.looks {
			var came, done time.Time
			if l.came > 0 {
				came = at(l.came)
			}
			if l.done > 0 {
				done = at(l.done)
			}
			l.stats.Copies = l.copies
			d.look(at(l.at), &l.stats, came, done)
		}
		got, ok := d.took(at(80_000))
		if ok == row.none || got != row.want {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, row.want)
		}
	}
}

func TestCompletionsKeepTheTimes(t *testing.T) {
	var c completions
	hash, at := [20]byte{1}, func(s int) time.Time { return time.Unix(int64(s), 0) }
	if came, finished := c.times(hash); !came.IsZero() || !finished.IsZero() {
		t.Errorf("of nobody: %v, %v", came, finished)
	}
	c.hearAt(at(5), hash, [20]byte{9}, 0, false) // complete from the start: no receiver
	c.hearAt(at(10), hash, [20]byte{1}, 7, false)
	c.hearAt(at(11), hash, [20]byte{2}, 7, false)
	c.hearAt(at(20), hash, [20]byte{2}, 0, true)
	c.hearAt(at(25), hash, [20]byte{2}, 0, false) // again
	c.hearAt(at(30), hash, [20]byte{3}, 7, false)
	if came, finished := c.times(hash); came != at(10) || finished != at(20) {
		t.Errorf("came %v, finished %v", came, finished)
	}
}
