package theory

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The numbers of the paper's experiment 1: mu = 0.00125, c = 0.002, eta = 1, theta = 0.001.
func TestQiuSrikantPaper(t *testing.T) {
	for _, row := range []struct{ gamma, x, y, T float64 }{
		{0.001, 333.33, 666.67, 333.33}, // gamma < mu: downloads set the pace
		{0.005, 375, 125, 375},          // gamma > mu: uploads do
	} {
		x, y, T := QiuSrikant{Lambda: 1, Theta: 0.001, C: 0.002, Mu: 0.00125, Eta: 1, Gamma: row.gamma}.Steady()
		for name, pair := range map[string][2]float64{"x": {x, row.x}, "y": {y, row.y}, "T": {T, row.T}} {
			if math.Abs(pair[0]-pair[1]) > 0.01 {
				t.Errorf("gamma %v: %s = %v, want %v", row.gamma, name, pair[0], pair[1])
			}
		}
	}
}

// The steady state is one: both derivatives of the model vanish there, and Little's law holds for those that come.
func TestQiuSrikantIsSteady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1e-4, 1e3)
		q := QiuSrikant{Lambda: rate.Draw(t, "lambda"), Theta: rate.Draw(t, "theta"), C: rate.Draw(t, "c"), Mu: rate.Draw(t, "mu"),
			Eta: rapid.Float64Range(0.1, 1).Draw(t, "eta"), Gamma: rate.Draw(t, "gamma")}
		x, y, T := q.Steady()
		served := min(q.C*x, q.Mu*(q.Eta*x+y))
		if d := q.Lambda - q.Theta*x - served; math.Abs(d) > 1e-9*q.Lambda {
			t.Fatalf("x' = %v at x = %v, y = %v", d, x, y)
		}
		if d := served - q.Gamma*y; math.Abs(d) > 1e-9*q.Lambda {
			t.Fatalf("y' = %v at x = %v, y = %v", d, x, y)
		}
		if math.Abs(x-q.Lambda*T) > 1e-9*x {
			t.Fatalf("x = %v, but lambda T = %v", x, q.Lambda*T)
		}
	})
}

func TestQiuSrikantEdges(t *testing.T) {
	inf := math.Inf(1)
	for _, row := range []struct {
		name    string
		q       QiuSrikant
		x, y, T float64
	}{
		{"leave at completion, unlimited downloads", QiuSrikant{Lambda: 2, C: inf, Mu: 0.5, Eta: 1, Gamma: inf}, 4, 0, 2},
		{"seeds carry it all", QiuSrikant{Lambda: 2, C: inf, Mu: 1, Eta: 1, Gamma: 0.5}, 0, 4, 0},
		{"nobody uploads, all give up", QiuSrikant{Lambda: 2, Theta: 0.25, C: 1, Gamma: inf, Eta: 1}, 8, 0, 4},
		{"nobody uploads, nobody gives up", QiuSrikant{Lambda: 2, C: 1, Gamma: inf, Eta: 1}, inf, 0, inf},
		{"seeds never leave", QiuSrikant{Lambda: 2, C: 4, Mu: 1, Eta: 1}, 0.5, inf, 0.25},
	} {
		if x, y, T := row.q.Steady(); x != row.x || y != row.y || T != row.T {
			t.Errorf("%s: got %v, %v, %v, want %v, %v, %v", row.name, x, y, T, row.x, row.y, row.T)
		}
	}
}

func TestSharing(t *testing.T) {
	for _, row := range []struct {
		m, k int
		want float64
	}{{100, 1, .954}, {100, 2, .998}, {256, 1, .978}, {0, 1, 0}, {1, 1, 1}} {
		if got := Sharing(row.m, row.k); math.Abs(got-row.want) > 0.0005 {
			t.Errorf("Sharing(%d, %d) = %v, want %v", row.m, row.k, got, row.want)
		}
	}
}
