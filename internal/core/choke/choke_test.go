package choke

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func slots(c []Candidate) map[int32]bool {
	m := map[int32]bool{}
	for _, x := range c {
		if x.Slot {
			m[x.ID] = true
		}
	}
	return m
}

// BEP 3: "reciprocation and number of uploads capped is managed by unchoking the four peers which have the best upload rate
// and are interested."
func TestTheFourBestAreUnchoked(t *testing.T) {
	var c []Candidate
	for i := range int32(8) {
		c = append(c, Candidate{ID: i, Interested: true, Down: int64(i) * 1000})
	}
	if used := Select(rng(1), c, 4, Reciprocal); used != 4 {
		t.Errorf("%d slots used", used)
	}
	for id := range int32(8) {
		if slots(c)[id] != (id >= 4) {
			t.Errorf("peer %d: slot %v", id, slots(c)[id])
		}
	}
}

// BEP 3: "Peers which have a better upload rate (as compared to the downloader) but aren't interested get unchoked and if
// they become interested the downloader with the worst upload rate gets choked."
func TestUninterestedButFasterAreUnchokedToo(t *testing.T) {
	c := []Candidate{
		{ID: 0, Down: 9000}, {ID: 1, Interested: true, Down: 8000}, {ID: 2, Down: 7000}, {ID: 3, Interested: true, Down: 6000},
		{ID: 4, Down: 5000}, {ID: 5, Interested: true, Down: 4000}, {ID: 6},
	}
	Select(rng(1), c, 2, Reciprocal)
	if got := slots(c); len(got) != 4 || !got[0] || !got[1] || !got[2] || !got[3] {
		t.Errorf("unchoked %v", got)
	}
}

// BEP 3 on anti-snubbing: "doesn't upload to it except as an optimistic unchoke".
func TestSnubbedPeersGetNoRegularSlot(t *testing.T) {
	c := []Candidate{{ID: 0, Interested: true, Snubbed: true, Down: 9000}, {ID: 1, Interested: true}}
	Select(rng(1), c, 4, Reciprocal)
	if got := slots(c); got[0] || !got[1] {
		t.Errorf("unchoked %v", got)
	}
	if i := Optimistic(rng(1), c); i < 0 || c[i].ID != 0 {
		t.Errorf("the snubbed peer is not tried: %d", i)
	}
}

// BEP 3: "newly connected peers are three times as likely to start as the current optimistic unchoke as anywhere else in the
// rotation."
func TestNewPeersAreTriedThreeTimesAsOften(t *testing.T) {
	c := []Candidate{{ID: 0, Interested: true, New: true}, {ID: 1, Interested: true}, {ID: 2, Interested: true, Slot: true}, {ID: 3}}
	r, hits := rng(7), [4]int{}
	for range 40000 {
		hits[c[Optimistic(r, c)].ID]++
	}
	if ratio := float64(hits[0]) / float64(hits[1]); ratio < 2.8 || ratio > 3.2 || hits[2]+hits[3] > 0 {
		t.Errorf("tried %v", hits)
	}
}

func TestNobodyToTry(t *testing.T) {
	if i := Optimistic(rng(1), []Candidate{{Interested: true, Slot: true}, {}}); i != -1 {
		t.Errorf("tried %d", i)
	}
}

func TestTiesAreBrokenAtRandom(t *testing.T) {
	r, first := rng(3), [4]int{}
	for range 4000 {
		c := []Candidate{{ID: 0, Interested: true}, {ID: 1, Interested: true}, {ID: 2, Interested: true}, {ID: 3, Interested: true}}
		Select(r, c, 1, Reciprocal)
		for id := range slots(c) {
			first[id]++
		}
	}
	for id, n := range first {
		if n < 850 || n > 1150 {
			t.Errorf("peer %d won %d of 4000 ties", id, n)
		}
	}
}

func TestSeedRanks(t *testing.T) {
	for _, x := range []struct {
		name   string
		rank   Rank
		better Candidate
		worse  Candidate
	}{
		{"least complete", LeastComplete, Candidate{Complete: 100}, Candidate{Complete: 900}},
		{"least complete, about equal: who waits", LeastComplete, Candidate{Complete: 110, Waited: time.Minute}, Candidate{Complete: 100}},
		{"least complete, but slow", LeastComplete, Candidate{Complete: 900}, Candidate{Complete: 0, Slow: true}},
		{"fastest", FastestUpload, Candidate{Up: 2}, Candidate{Up: 1}},
		{"round robin keeps", RoundRobin, Candidate{Unchoked: true, Held: 30 * time.Second}, Candidate{Waited: time.Hour}},
		{"round robin moves on", RoundRobin, Candidate{Waited: time.Hour}, Candidate{Unchoked: true, Held: 2 * time.Minute}},
		{"tit-for-tat", Reciprocal, Candidate{Down: 2}, Candidate{Down: 1}},
	} {
		if x.rank(&x.better, &x.worse) >= 0 || x.rank(&x.worse, &x.better) <= 0 {
			t.Errorf("%s: wrong order", x.name)
		}
	}
}

// Whatever the candidates: never more interested peers than slots, nobody snubbed, and no free slot while one waits.
func TestSelectProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := make([]Candidate, rapid.IntRange(0, 20).Draw(t, "n"))
		waiting := 0
		for i := range c {
			c[i] = Candidate{ID: int32(i), Interested: rapid.Bool().Draw(t, "interested"), Snubbed: rapid.Bool().Draw(t, "snubbed"),
				Down: rapid.Int64Range(0, 3).Draw(t, "down"), Complete: rapid.IntRange(0, 1000).Draw(t, "complete")}
			if c[i].Interested && !c[i].Snubbed {
				waiting++
			}
		}
		n := rapid.IntRange(0, 6).Draw(t, "slots")
		rank := rapid.SampledFrom([]Rank{Reciprocal, LeastComplete, FastestUpload, RoundRobin}).Draw(t, "rank")
		used := Select(rng(rapid.Uint64().Draw(t, "seed")), c, n, rank)
		if used != min(n, waiting) {
			t.Fatalf("%d of %d slots used, %d wait", used, n, waiting)
		}
		for _, x := range c {
			if x.Slot && x.Snubbed {
				t.Fatalf("snubbed peer %d has a slot", x.ID)
			}
		}
	})
}

// "Every 30 seconds it picks another peer at random": until then the holder stays, unless it earned a slot or wants nothing.
func TestRechokeMovesTheOptimisticSlot(t *testing.T) {
	peer := func(id int32, down int64, interested bool) Candidate {
		return Candidate{ID: id, Down: down, Interested: interested}
	}
	for _, c := range []struct {
		name   string
		peers  []Candidate
		holder int32
		due    bool
		trying int32
		anew   bool
		slots  []int32 // who is unchoked
	}{
		{"nobody is tried yet", []Candidate{peer(1, 9, true), peer(2, 0, true)}, Nobody, false, 2, true, []int32{1, 2}},
		{"its time is not over", []Candidate{peer(1, 9, true), peer(2, 0, true), peer(3, 0, true)}, 3, false, 3, false, []int32{1, 3}},
		{"its time is over", []Candidate{peer(1, 9, true), peer(2, 0, true), peer(3, 0, true)}, 3, true, 2, true, []int32{1, 2}},
		{"over, and nobody else wants it", []Candidate{peer(1, 9, true), peer(3, 0, true)}, 3, true, 3, true, []int32{1, 3}},
		{"it earned a slot", []Candidate{peer(1, 9, true), peer(2, 0, true)}, 1, false, 2, true, []int32{1, 2}},
		{"it wants nothing more", []Candidate{peer(1, 9, true), peer(2, 0, true), peer(3, 0, false)}, 3, false, 2, true, []int32{1, 2}},
		{"and nobody else does", []Candidate{peer(1, 9, true), peer(3, 0, false)}, 3, false, Nobody, true, []int32{1}},
	} {
		trying, anew := Rechoke(rand.New(rand.NewPCG(1, 1)), c.peers, 1, Reciprocal, c.holder, c.due)
		var slots []int32
		for _, p := range c.peers {
			if p.Slot {
				slots = append(slots, p.ID)
			}
		}
		slices.Sort(slots)
		if trying != c.trying || anew != c.anew || !slices.Equal(slots, c.slots) {
			t.Errorf("%s: %d is tried, anew %v, unchoked %v; want %d, %v, %v", c.name, trying, anew, slots, c.trying, c.anew, c.slots)
		}
	}
}
