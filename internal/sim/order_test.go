package sim

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Where the server is no faster than a peer and shows everything at once, what is left to a swarm is to fetch the rarest first: random
// pieces take longer, and the order of the content, in which all need the same next piece, far longer.
func TestRarestFirstPays(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a long simulation, of which nothing runs beside anything else")
	}
	ratio := func(p policy.Policy) float64 {
		sum := 0.0
		for seed := range uint64(3) {
			sc := &scenario.Scenario{Size: 32 << 20, PieceLength: 256 << 10, Seed: seed + 1, Policy: p, Latency: 20 * time.Millisecond,
				Server: scenario.Server{Up: 1 << 20}, Classes: []scenario.Class{{Name: "peers", Count: 35, Up: 1 << 20}}}
			r, err := Run(t.Context(), sc, Options{Fidelity: Engine})
			if err != nil {
				t.Fatal(err)
			}
			sum += r.Ratio / 3
		}
		return sum
	}
	rarest, random, inOrder := ratio(policy.Classic), ratio(policy.RandomPieces), ratio(policy.InOrder)
	t.Logf("rarest first %.3f, random %.3f, in order %.3f of the bound", rarest, random, inOrder)
	if random < rarest+0.05 || inOrder < random+0.3 {
		t.Error("the order of the pieces does not matter as it should")
	}
}
