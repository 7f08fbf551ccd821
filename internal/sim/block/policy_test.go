package block

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// firstHalf returns at which place of all pieces that a peer got the first half of the content came, on average: 0.25 when it was
// the first to come, 0.75 when it was the last.
func firstHalf(events []Event, pieces int) float64 {
	sum, n := 0.0, 0
	at := map[int32]int{}
	for _, e := range events {
		if e.Kind == Got {
			if int(e.Piece) < pieces/2 {
				sum += float64(at[e.Peer]) / float64(pieces)
				n++
			}
			at[e.Peer]++
		}
	}
	return sum / float64(n)
}

// A class's policy decides what its peers fetch: the highest pieces first, which the default does not.
func TestPolicyOrdersPieces(t *testing.T) {
	half := func(p policy.Policy) float64 {
		sc := small(4, func(sc *scenario.Scenario) {
			sc.Policy.RevealAll = true // otherwise the server's first pass decides
			// With only the server to choose from, the choice is all their own.
			sc.Classes[0].Policy, sc.Classes[0].Strategy = p, scenario.FreeRider
		})
		events, _ := history(t, sc)
		return firstHalf(events, sc.Pieces())
	}
	backwards := policy.Policy{Name: "backwards", Order: func(a, b pick.Candidate) int { return b.Piece - a.Piece }}
	if at := half(backwards); at < 0.7 {
		t.Errorf("backwards: the first half of the content came at %.2f of the pieces, want near 0.75", at)
	}
	if at := half(policy.Policy{}); at < 0.4 || at > 0.6 {
		t.Errorf("the default: the first half of the content came at %.2f of the pieces, want about 0.5", at)
	}
}

// The rank of a server's policy decides who is served: here the peers of the highest handle, which came last.
func TestPolicyRanksPeers(t *testing.T) {
	last := func(a, b *choke.Candidate) int { return int(b.ID - a.ID) }
	served := func(p policy.Policy) (early, late int64) {
		sc := small(6, func(sc *scenario.Scenario) {
			sc.Slots, sc.Policy, sc.Until = 1, p, 60*time.Second
			sc.Size = 64 * mib
			sc.Classes[0].Strategy = scenario.FreeRider
			sc.Classes = append(sc.Classes, scenario.Class{Name: "late", Count: 1, Arrive: scenario.Arrival{At: time.Second}, Strategy: scenario.FreeRider})
		})
		r := simulate(t, sc, Options{})
		return r.Classes[0].FromServer / 6, r.Classes[1].FromServer
	}
	early, late := served(policy.Policy{Name: "last", SeedRank: last, RevealAll: true})
	if late < 4*early {
		t.Errorf("the last one had %d bytes, the others %d each: it always has the only regular slot", late, early)
	}
	if early, late := served(policy.Policy{Name: "in turn", SeedRank: choke.RoundRobin, RevealAll: true}); late > 2*early {
		t.Errorf("in turn the last one had %d bytes, the others %d each", late, early)
	}
}

// The three steps of tit-for-tat, out of the live code: Alice tries Bob; Alice becomes one of those who send Bob most, and he
// gives her a regular slot; Bob becomes one of those who send Alice most, and she promotes him.
func TestTitForTatIsTold(t *testing.T) {
	sc := small(12, func(sc *scenario.Scenario) { sc.Size, sc.Slots = 32*mib, 2 })
	events, _ := history(t, sc)
	type pair struct{ alice, bob int32 }
	step := map[pair]int{}
	told := 0
	for _, e := range events {
		ab, ba := pair{e.Peer, e.Other}, pair{e.Other, e.Peer}
		switch {
		case (e.Kind == Unchoked || e.Kind == Moved) && e.Slot == swarm.OptimisticSlot:
			if e.Kind == Unchoked && e.Was != swarm.NoSlot {
				t.Fatalf("unchoked from a slot: %+v", e)
			}
			step[ab] = 1
		case (e.Kind == Unchoked || e.Kind == Moved) && e.Slot == swarm.RegularSlot && step[ba] == 1 && e.Down > 0:
			step[ba] = 2 // seen from Alice: Bob reciprocates
		case e.Kind == Moved && e.Slot == swarm.RegularSlot && e.Was == swarm.OptimisticSlot && step[ab] == 2:
			if e.Down <= 0 {
				t.Errorf("promoted by a rate of %d: %+v", e.Down, e)
			}
			told++
			step[ab] = 0
		case e.Kind == Choked:
			if e.Slot != swarm.NoSlot || e.Was == swarm.NoSlot {
				t.Fatalf("choked from %v to %v", e.Was, e.Slot)
			}
			step[ab] = 0
		}
	}
	if told == 0 {
		t.Errorf("nobody went through the three steps in %d events", len(events))
	}
	t.Logf("told %d times", told)
}

// Every slot that is given and taken is told, in order: the events alone say who has which slot.
func TestSlotsAreToldInOrder(t *testing.T) {
	sc := small(10, func(sc *scenario.Scenario) { sc.Size = 16 * mib })
	events, _ := history(t, sc)
	slot := map[[2]int32]swarm.Slot{}
	for _, e := range events {
		switch e.Kind {
		case Unchoked, Moved, Choked:
			key := [2]int32{e.Peer, e.Other}
			if slot[key] != e.Was || e.Was == e.Slot {
				t.Fatalf("%+v, but it had %v", e, slot[key])
			}
			if (e.Kind == Unchoked) != (e.Was == swarm.NoSlot) || (e.Kind == Choked) != (e.Slot == swarm.NoSlot) {
				t.Fatalf("%+v is of the wrong kind", e)
			}
			slot[key] = e.Slot
		}
	}
	if len(slot) < 50 {
		t.Errorf("only %d pairs ever had a slot", len(slot))
	}
}
