package ring

import (
	"testing"
	"time"
)

// A host whose membership nobody asked for in a month, a ring of one say, has a minute's budget to tell it.
func TestBudgetAfterAMonth(t *testing.T) {
	for _, idle := range []time.Duration{time.Minute, 27 * 24 * time.Hour, 30 * 24 * time.Hour, 60 * 24 * time.Hour, 1000 * 24 * time.Hour} {
		n := node20(t)
		n.now = idle
		if full := n.cfg.CacheBudget * 60; !n.spend(full) || n.spend(1) {
			t.Errorf("after %v: %d of a budget of %d are left", idle, n.budget, full)
		}
	}
}
