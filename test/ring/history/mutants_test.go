package history_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// TestMutants holds the "Mutants (ack before sync, last-write-wins, lost hint, dropped tombstone, no hand-over) are each caught": the same
// schedules as TestFaults, on an implementation that is broken in one place. For the lost hint see TestHint.
func TestMutants(t *testing.T) {
	for m := ackBeforeSync; m <= noHandOver; m++ {
		if m == lostHint {
			continue
		}
		t.Run(mutants[m], func(t *testing.T) {
			const tries = 30
			for seed := uint64(1); seed <= tries; seed++ {
				bad, _, _ := schedule(options{seed: seed, hosts: 6, vnodes: 2, replicas: 3, write: 2, read: 2, loss: 0.02, dup: 0.02, late: 0.01, mutant: m})
				if lost(bad) != nil {
					t.Logf("caught by seed %d: %.150s", seed, lost(bad))
					return
				}
			}
			t.Errorf("not caught by %d schedules", tries)
		})
	}
}

// lost is the first violation of promise 1 or 3.
func lost(bad []error) error {
	for _, err := range bad {
		if strings.Contains(err.Error(), "(1)") || strings.Contains(err.Error(), "(3)") {
			return err
		}
	}
	return nil
}

// TestHint: what a stand-in acknowledged for holders that were away is theirs when they are back, though it is nobody else's by then. A copy at
// a host that is not sure counts for no quorum, so that losing it breaks no promise; that is why random schedules hardly notice. A stand-in
// that has become sure counts. Here it and one holder acknowledge; that one is lost for ever, as one of W = 2 may be; and the
// stand-in cannot be reached for the two seconds in which it learns that it is no longer a holder.
func TestHint(t *testing.T) {
	for _, m := range [...]mutant{sound, lostHint} {
		t.Run(mutants[m], func(t *testing.T) {
			if bad := hintSchedule(t, m); m == sound && len(bad) > 0 {
				t.Errorf("%v", bad)
			} else if m == lostHint && lost(bad) == nil {
				t.Errorf("not caught: %v", bad)
			}
		})
	}
}

func hintSchedule(t *testing.T, m mutant) []error {
	c := newCluster(options{seed: 1, hosts: 4, vnodes: 1, replicas: 3, write: 2, read: 2, mutant: m})
	c.calm = true
	c.run(30 * time.Second)
	at, _ := c.hosts[0].Holders(ringwire.Space{}.Hash(ringwire.KeyTag, []byte("key0")), 4, nil)
	keeper, second, third, standIn := c.hosts[at[0].Host], c.hosts[at[1].Host], c.hosts[at[2].Host], c.hosts[at[3].Host]
	second.crash()
	c.run(time.Minute) // the stand-in takes the place
	third.crash()
	l := &load{c: c, keys: 1}
	op := history.Op{Node: "keeper", Kind: history.Put, Key: "key0", Value: "v"}
	i := l.log.Invoke(op)
	res := c.put(t, int(keeper.id), replica.Put{Key: op.Key, Value: []byte(op.Value)})
	l.log.End(i, int64(c.now), outcomeOf(res.Status), nil, res.Version.String())
	if res.Status != replica.OK {
		t.Fatalf("with two of three holders: %s", res.Status)
	}
	keeper.cut, standIn.cut = true, true
	second.start()
	third.start()
	c.run(2 * time.Second)
	keeper.lost = true
	keeper.crash()
	standIn.cut = false
	c.calmDown(12 * time.Minute)
	return append(history.Check(l.log.Ops(), l.finals()), c.replicas(1)...)
}
