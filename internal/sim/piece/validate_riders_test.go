package piece

import (
	"math"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// riding is what riders get from leechers in steady state.
type riding struct {
	bytes                    float64 // bytes from contributors that each gets, over those that each contributor gets
	regular, tried           float64 // regular and optimistic slots that a contributor holds at other contributors, on average
	riderRegular, riderTried float64 // the same of a rider
}

// ride runs 95 contributors and 5 free riders with the server gone after one copy, and looks at them from 100 s on, when those who
// were connected at the start are no longer new and what the server gave has been passed on, until 500 s, when nobody is complete.
func ride(t *testing.T, p policy.Policy, slots, degree int, blind bool, seed uint64) (r riding) {
	t.Helper()
	const from, until, every = 100 * time.Second, 500 * time.Second, 3 * time.Second
	sc := equal(95, 3072)
	sc.Slots, sc.Policy, sc.Degree, sc.Seed, sc.Server.Copies, sc.Until = slots, p, degree, seed, 1, until
	rider := sc.Classes[0]
	rider.Name, rider.Count, rider.Strategy = "riders", 5, scenario.FreeRider
	sc.Classes = append(sc.Classes, rider)
	peers := sc.Population()
	s, err := newSwarm(sc, peers, record.New(sc, peers))
	if err != nil {
		t.Fatal(err)
	}
	s.blind = blind
	before, looks := [2]float64{}, 0.0
	served := func() [2]float64 {
		m := s.rec.Result().Flow.Bytes
		return [2]float64{float64(m[1][1]) / 95, float64(m[1][2]) / 5}
	}
	for next := from; s.step(); {
		if s.now < next {
			continue
		}
		if next == from {
			before = served()
		}
		next += every
		looks++
		s.countSlots(&r)
	}
	after := served()
	if s.rec.Finished() > 0 {
		t.Fatal("somebody is complete")
	}
	r.bytes = (after[1] - before[1]) / (after[0] - before[0])
	for _, n := range []*float64{&r.regular, &r.tried} {
		*n /= 95 * looks
	}
	for _, n := range []*float64{&r.riderRegular, &r.riderTried} {
		*n /= 5 * looks
	}
	return r
}

// countSlots adds the slots that contributors give now.
func (s *swarm) countSlots(r *riding) {
	for p := range int32(len(s.peers)) {
		if s.peers[p].Class != 0 {
			continue
		}
		for slot, f := range s.flags(p) {
			if f&open == 0 {
				continue
			}
			q := s.peer[s.at(p, int32(slot))]
			regular, tried := &r.regular, &r.tried
			if s.peers[q].Class == 1 {
				regular, tried = &r.riderRegular, &r.riderTried
			}
			if s.node[p].trying == q {
				*tried++
			} else {
				*regular++
			}
		}
	}
}

// rideAll is the mean of ride over some seeds.
func rideAll(t *testing.T, p policy.Policy, slots int, blind bool, seeds int) (mean riding) {
	t.Helper()
	for seed := range seeds {
		r := ride(t, p, slots, 50, blind, uint64(seed))
		mean.bytes += r.bytes / float64(seeds)
		mean.regular += r.regular / float64(seeds)
		mean.tried += r.tried / float64(seeds)
		mean.riderRegular += r.riderRegular / float64(seeds)
		mean.riderTried += r.riderTried / float64(seeds)
	}
	return mean
}

// "A free rider under tit-for-tat gets about one optimistic slot's share, 1/(slots+1)": from leechers, in steady state, by the plain
// algorithm that does not know how complete others are. That is so part by part: all regular slots are earned, and a rider is tried as often
// as anybody. It keeps the optimistic slot to the end of its 30 s, though, which a contributor soon exchanges for a regular one, and
// is one of fewer candidates than there are peers, the holders of regular slots being none: that is worth 5 to 35 %.
func TestValidateFreeRiders(t *testing.T) {
	if testing.Short() {
		t.Skip("long simulation")
	}
	for _, c := range []struct {
		slots int
		least float64 // what the default gives to a rider, times slots+1
		most  float64
	}{{2, 2.5, 3.2}, {4, 2.4, 3.2}, {8, 2.5, 3.3}} {
		want := theory.FreeRiderShare(c.slots)
		plain := rideAll(t, policy.Classic, c.slots, true, 4)
		t.Logf("%d slots, plain: a rider gets %.3f of a contributor's rate from leechers, the optimistic slot is %.3f: %+v", c.slots, plain.bytes, want, plain)
		if math.Abs(plain.regular/float64(c.slots)-1) > 0.02 || math.Abs(plain.tried-0.94) > 0.03 {
			t.Errorf("%d slots: a contributor holds %.2f regular slots and %.2f optimistic ones, not all and about one", c.slots, plain.regular, plain.tried)
		}
		if plain.riderRegular > 0.07 || plain.riderTried < 0.95 || plain.riderTried > 1.4 {
			t.Errorf("%d slots: a rider holds %.2f regular slots and %.2f optimistic ones, not none and about one", c.slots, plain.riderRegular, plain.riderTried)
		}
		if over := plain.bytes / want; over < 1 || over > 1.4 {
			t.Errorf("%d slots: a rider gets %.3f of a contributor's rate, want %.3f and up to 40 %% more", c.slots, plain.bytes, want)
		}
		// What knowing the others' progress changes: of two drawn the less complete is tried, which a rider always is, and the few regular
		// slots that nobody has earned go to the least complete.
		ours := rideAll(t, policy.TitForTat, c.slots, false, 2)
		t.Logf("%d slots, ours: %.3f: %+v", c.slots, ours.bytes, ours)
		if over := ours.bytes / want; over < c.least || over > c.most || ours.riderTried < 1.5*plain.riderTried || ours.riderRegular < 3*plain.riderRegular {
			t.Errorf("%d slots: a rider gets %.2f times %.3f of a contributor's rate: %+v", c.slots, over, want, ours)
		}
	}
	if r := rideAll(t, policy.Cooperative, 4, false, 1); math.Abs(r.bytes-1) > 0.1 {
		t.Errorf("free riders get %.2f among peers that do not ask what they give", r.bytes)
	}
}
