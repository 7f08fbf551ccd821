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
//
// eta, how well leechers use their uploads, is what the paper estimates for pieces that come over one connection at a time, 0.96 for 123
// pieces. All numbers are proportional to lambda, of which a run has what chance gives: they are compared for the arrivals that it had. What is left
// to chance is 2 to 3 % of the leechers, and 5 % of the seeds, since few stay for long. A rate that is wrong by a tenth moves the leechers
// by 10 % or more, where it sets the pace.
func TestValidateQiuSrikant(t *testing.T) {
	if testing.Short() {
		t.Skip("long simulation")
	}
	const size, mu, c, seeds = 16e6, 0.00125, 0.002, 2
	eta := theory.Sharing(123, 1)
	for _, r := range []struct{ theta, gamma, lambda float64 }{{0, 0.001, 0.15}, {0, 0.005, 0.3}, {0.001, 0.001, 0.15}, {0.001, 0.005, 0.3}} {
		px, py, pT := theory.QiuSrikant{Lambda: 1, Theta: r.theta, C: c, Mu: mu, Eta: eta, Gamma: r.gamma}.Steady()
		wx, wy := px, py
		if r.theta > 0 {
			wx, wy = wholeCopies(1, r.theta, c, mu, r.gamma, eta)
		}
		x, y := 0.0, 0.0
		for seed := range seeds {
			sc := &scenario.Scenario{Name: "steady", Size: size, PieceLength: 1 << 17, Seed: uint64(seed + 1), Degree: 40, Latency: 20 * time.Millisecond,
				Tracker: 30 * time.Second, Server: scenario.Server{Up: mu * size}, Until: 8000 * time.Second,
				Classes: []scenario.Class{{Name: "peers", Up: mu * size, Down: c * size, Fail: r.theta,
					Arrive: scenario.Arrival{Kind: scenario.Poisson, Rate: r.lambda}}}}
			if r.gamma > r.theta { // theta takes seeds too
				stay := time.Duration(float64(time.Second) / (r.gamma - r.theta))
				sc.Classes[0].Leave = scenario.Leave{Kind: scenario.AfterTime, Stay: stay, Random: true}
			}
			res := run(t, sc)
			came := float64(res.Peers) / sc.Until.Seconds()
			leechers, complete := steady(res, 3000*time.Second)
			x, y = x+leechers/came/seeds, y+complete/came/seeds
		}
		t.Logf("theta %v, gamma %v, lambda %v: x %.1f lambda (fluid %.1f, whole copies %.1f: %+.1f %%), y %.1f lambda (%.1f, %.1f: %+.1f %%); T by the model %.0f s",
			r.theta, r.gamma, r.lambda, x, px, wx, 100*(x/wx-1), y, py, wy, 100*(y/wy-1), pT)
		few, many := 0.04, 0.06
		if r.theta > 0 {
			few, many = 0.08, 0.10 // a slot whose holder vanished is empty for a while, and half a piece that it sent is lost
		}
		if math.Abs(x/wx-1) > few || math.Abs(y/wy-1) > many {
			t.Errorf("theta %v, gamma %v: %.1f leechers and %.1f seeds by lambda, %.1f and %.1f expected", r.theta, r.gamma, x, y, wx, wy)
		}
	}
}

// wholeCopies is the steady state when a download takes a fixed time d that a peer survives with the chance exp(-theta d): of lambda d
// that would be downloading without theta, those of age a are lambda exp(-theta a), which sum up to x = lambda (1 - exp(-theta d))/theta;
// lambda exp(-theta d) a second become seeds, who stay for 1/gamma. The uploads mu (eta x + y) are shared by x at 1/d each, or downloads
// bind: 1/d = min(c, mu (eta + y/x)).
func wholeCopies(lambda, theta, c, mu, gamma, eta float64) (x, y float64) {
	d := 1 / c
	for range 1000 {
		done := math.Exp(-theta * d)
		x, y = lambda*(1-done)/theta, lambda*done/gamma
		d += 0.1 * (1/min(c, mu*(eta+y/x)) - d)
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
// stable below one and not above, unless peers stay for about one more upload. Above, nearly all lack the same piece, of which
// the server alone has a copy to give: one a second leaves, and the rest stays, so that leechers grow by lambda - 1 a second.
func TestValidateMissingPiece(t *testing.T) {
	const piece, end, seeds = 64 << 10, 300 * time.Second, 4
	for _, c := range []struct {
		lambda, stay float64
		stable       bool
	}{{0.5, 0, true}, {0.8, 0, true}, {1.5, 0, false}, {2.5, 0, false}, {2.5, 1.5, true}} {
		for _, order := range []pick.Order{pick.Random, nil} {
			if testing.Short() && (order == nil || c.lambda > 2 && !c.stable) {
				continue
			}
			var half, last, grows float64
			for seed := range seeds {
				sc := &scenario.Scenario{Name: "missing piece", Size: 8 * piece, PieceLength: piece, Seed: uint64(seed + 1), Server: scenario.Server{Up: piece},
					Policy: policy.Policy{Name: "p", Order: order, RevealAll: true}, Until: end,
					Classes: []scenario.Class{{Name: "peers", Up: piece, Leave: scenario.Leave{Kind: scenario.AtCompletion},
						Arrive: scenario.Arrival{Kind: scenario.Poisson, Rate: c.lambda}}}}
				if c.stay > 0 {
					sc.Classes[0].Leave = scenario.Leave{Kind: scenario.AfterTime, Random: true, Stay: time.Duration(c.stay * float64(time.Second))}
				}
				res := run(t, sc)
				first, _ := steady(res, end/2)
				final, _ := steady(res, end-end/20)
				half, last = half+first/seeds, last+final/seeds
				// From the middle of the second half to that of the last twentieth.
				grows += (final - first) / (end/4 - end/40).Seconds() / seeds
			}
			t.Logf("lambda %.1f, stay %.1f s, rarest first %v: %.0f leechers in the second half, %.0f at the end, %+.2f a second", c.lambda, c.stay, order == nil, half, last, grows)
			if c.stable && (last > 30 || math.Abs(grows) > 0.12) {
				t.Errorf("lambda %.1f, stay %.1f: %.0f leechers, %+.2f a second: not stable", c.lambda, c.stay, last, grows)
			}
			if !c.stable && math.Abs(grows-(c.lambda-1)) > 0.12 {
				t.Errorf("lambda %.1f, stay %.1f: %+.2f leechers a second, not %.1f", c.lambda, c.stay, grows, c.lambda-1)
			}
		}
	}
}
