package ringnode

import (
	"cmp"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
)

// minFresh is for how long a host counts as heard of at least: a busy machine answers late. An Absence of less than twice that is for tests.
const minFresh = 2 * time.Second

// terms are how a host counts the ring's hosts for the replica that counts on it: see replica.View.
func terms(c *replica.Config) ring.Terms {
	absence, giveUp := cmp.Or(c.Absence, replica.DefaultAbsence), cmp.Or(c.GiveUp, replica.DefaultGiveUp)
	if giveUp < 0 {
		giveUp = 1 << 62 // never
	}
	return ring.Terms{Remember: giveUp, Fresh: max(absence/3, minFresh)}
}

// Majority implements replica.View.
func (v *view) Majority(now time.Duration) (yes, counts bool) { return v.ring.Majority(now) }
