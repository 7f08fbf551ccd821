package piece

import (
	"math"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// The ladder of validation: results of the literature, met or explained. docs/sim.md tells what is compared and why some
// numbers differ; "go test -v -run Validate ./internal/sim/piece" prints them.

// Qiu and Srikant's model with their two sets of rates: where downloads set the pace, and where uploads do. Without peers that
// give up (theta) the simulation has to come to their numbers. With them the fluid lets a peer be complete at any age, and a
// peer that gives up has cost nothing; a real one needs a copy first, and what it was sent is lost. Then the numbers to
// meet are those of the same balance with a download of fixed length.
func TestValidateQiuSrikant(t *testing.T) {
	if testing.Short() {
		t.Skip("long simulation")
	}
	const size, lambda, mu, c = 16e6, 0.15, 0.00125, 0.002
	for _, r := range []struct{ theta, gamma float64 }{{0, 0.001}, {0, 0.005}, {0.001, 0.001}, {0.001, 0.005}} {
		sc := &scenario.Scenario{Name: "steady", Size: size, PieceLength: 1 << 17, Seed: 1, Degree: 40, Latency: 20 * time.Millisecond,
			Tracker: 30 * time.Second, Server: scenario.Server{Up: mu * size}, Until: 8000 * time.Second,
			Classes: []scenario.Class{{Name: "peers", Up: mu * size, Down: c * size, Fail: r.theta,
				Arrive: scenario.Arrival{Kind: scenario.Poisson, Rate: lambda}}}}
		if r.gamma > r.theta { // theta takes seeds too
			stay := time.Duration(float64(time.Second) / (r.gamma - r.theta))
			sc.Classes[0].Leave = scenario.Leave{Kind: scenario.AfterTime, Stay: stay, Random: true}
		}
		x, y := steady(run(t, sc), 3000*time.Second)
		px, py, pT := theory.QiuSrikant{Lambda: lambda, Theta: r.theta, C: c, Mu: mu, Eta: 1, Gamma: r.gamma}.Steady()
		wx, wy := px, py
		if r.theta > 0 {
			wx, wy = wholeCopies(lambda, r.theta, c, mu, r.gamma)
		}
		t.Logf("theta %v, gamma %v: %.1f leechers (fluid %.1f, whole copies %.1f), %.1f seeds (%.1f, %.1f), %.0f s in the swarm (%.0f)",
			r.theta, r.gamma, x, px, wx, y, py, wy, x/lambda, pT)
		if math.Abs(x/wx-1) > 0.12 || math.Abs(y/wy-1) > 0.15 {
			t.Errorf("theta %v, gamma %v: %.1f leechers and %.1f seeds, %.1f and %.1f expected", r.theta, r.gamma, x, y, wx, wy)
		}
	}
}

// wholeCopies is the steady state when a download takes a fixed time d that a peer survives with the chance exp(-theta d).
func wholeCopies(lambda, theta, c, mu, gamma float64) (x, y float64) {
	d := 1 / c
	for range 1000 {
		done := math.Exp(-theta * d)
		x, y = lambda*(1-done)/theta, lambda*done/gamma
		d += 0.1 * (1/min(c, mu*(1+y/x)) - d)
	}
	return x, y
}

// steady is how many leechers and seeds, the server left out, there were on average after a time.
func steady(res *record.Result, from time.Duration) (x, y float64) {
	n := 0.0
	for _, l := range res.Line {
		if l.At >= from {
			x, y, n = x+float64(l.Leechers), y+float64(l.Seeds-1), n+1
		}
	}
	return x / n, y / n
}

// A server that uploads one piece a second to peers that come at lambda a second and leave when they are complete: Hajek and Zhu's swarm,
// stable below one and not above, unless peers stay for about one more upload.
func TestValidateMissingPiece(t *testing.T) {
	const piece, end = 64 << 10, 300 * time.Second
	for _, c := range []struct {
		lambda, stay float64
		stable       bool
	}{{0.5, 0, true}, {0.8, 0, true}, {1.5, 0, false}, {2.5, 0, false}, {2.5, 1.5, true}} {
		for _, order := range []pick.Order{pick.Random, nil} {
			if testing.Short() && (order == nil || c.lambda > 2 && !c.stable) {
				continue
			}
			sc := &scenario.Scenario{Name: "missing piece", Size: 8 * piece, PieceLength: piece, Seed: 1, Server: scenario.Server{Up: piece},
				Policy: policy.Policy{Name: "p", Order: order, RevealAll: true}, Until: end,
				Classes: []scenario.Class{{Name: "peers", Up: piece, Leave: scenario.Leave{Kind: scenario.AtCompletion},
					Arrive: scenario.Arrival{Kind: scenario.Poisson, Rate: c.lambda}}}}
			if c.stay > 0 {
				sc.Classes[0].Leave = scenario.Leave{Kind: scenario.AfterTime, Random: true, Stay: time.Duration(c.stay * float64(time.Second))}
			}
			res := run(t, sc)
			half, _ := steady(res, end/2)
			last, _ := steady(res, end-end/20)
			t.Logf("lambda %.1f, stay %.1f s, rarest first %v: %.0f leechers in the second half, %.0f at the end", c.lambda, c.stay, order == nil, half, last)
			// Without the missing piece the peers that come stay: lambda - 1 a second at least.
			if grown := last > 0.5*max(c.lambda-1, 0.2)*end.Seconds() && last > 1.1*half; grown == c.stable {
				t.Errorf("lambda %.1f, stay %.1f: stable should be %v, there are %.0f leechers at the end, %.0f before", c.lambda, c.stay, c.stable, last, half)
			}
		}
	}
}
