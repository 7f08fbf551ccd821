package sim

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// What --policy cooperative is for, and what not: between equal links that are as fast down as up, four slots leave some with
// fewer than others and nobody can catch up; between unequal ones, serving everybody slices the slow ones too thin.
func TestCooperativeIsForEqualMachines(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a long simulation, of which nothing runs beside anything else")
	}
	ratio := func(p policy.Policy, server int64, classes ...scenario.Class) float64 {
		sc := &scenario.Scenario{Size: 64 << 20, PieceLength: 256 << 10, Seed: 1, Policy: p, Latency: time.Millisecond,
			Shaping: scenario.ByLink, Server: scenario.Server{Up: server}, Classes: classes}
		r, err := Run(t.Context(), sc, Options{Fidelity: Engine})
		if err != nil {
			t.Fatal(err)
		}
		return r.Ratio
	}
	equal := scenario.Class{Name: "equal", Count: 10, Up: 10e6, Down: 10e6}
	tit, coop := ratio(policy.TitForTat, 10e6, equal), ratio(policy.Cooperative, 10e6, equal)
	if t.Logf("equal links: tit-for-tat %.3f, cooperative %.3f of the bound", tit, coop); coop > 1.08 || coop > tit-0.05 {
		t.Error("serving everybody gains nothing between equal machines")
	}
	slow, fast := scenario.Class{Name: "slow", Count: 10, Up: 1e6}, scenario.Class{Name: "fast", Count: 10, Up: 4e6}
	tit, coop = ratio(policy.TitForTat, 4e6, slow, fast), ratio(policy.Cooperative, 4e6, slow, fast)
	if t.Logf("unequal links: tit-for-tat %.3f, cooperative %.3f of the bound", tit, coop); coop < tit {
		t.Error("serving everybody is no worse between unequal machines: say so in docs/sim.md and in the help of --policy")
	}
}
