package plot

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func parse(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func labels(s scale) []string {
	var out []string
	for _, k := range s.ticks() {
		out = append(out, k.label)
	}
	return out
}

func TestTicks(t *testing.T) {
	for _, row := range []struct {
		values     []float64
		log, zero  bool
		tight      bool
		wantLabels []string
	}{
		{values: []float64{0, 35}, tight: true, wantLabels: []string{"0", "5", "10", "15", "20", "25", "30", "35"}},
		{values: []float64{0.1, 3.5}, zero: true, wantLabels: []string{"0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5"}},
		{values: []float64{0.1, 0.34}, wantLabels: []string{"0.10", "0.15", "0.20", "0.25", "0.30", "0.35"}},
		{values: []float64{1, 3}, tight: true, wantLabels: []string{"1", "2", "3"}},
		{values: []float64{0, 1_000_000}, tight: true, wantLabels: []string{"0", "0.2M", "0.4M", "0.6M", "0.8M", "1.0M"}},
		{values: []float64{0, 90_000}, tight: true, wantLabels: []string{"0", "20,000", "40,000", "60,000", "80,000"}},
		{values: []float64{-5e9, 5e9}, wantLabels: []string{"-6G", "-4G", "-2G", "0", "2G", "4G", "6G"}},
		{values: []float64{7}, wantLabels: []string{"6", "7", "8"}},
		{values: []float64{1, 100_000}, log: true, wantLabels: []string{"1", "10", "100", "1,000", "10,000", "100,000"}},
		{values: []float64{3, 40}, log: true, wantLabels: []string{"2", "5", "10", "20", "50"}},
		{values: []float64{1.25, 1.5}, log: true, tight: true, wantLabels: []string{"1.25", "1.30", "1.35", "1.40", "1.45", "1.50"}},
		{values: []float64{0, -1, 1e-7, 1}, log: true, wantLabels: []string{"1e-7", "1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1"}},
	} {
		got := labels(newScale([][]float64{row.values}, row.log, row.zero, row.tight))
		if d := cmp.Diff(row.wantLabels, got); d != "" {
			t.Errorf("%v: %s", row.values, d)
		}
	}
}

// Whatever the values: the scale covers the usable ones, maps them into 0..1 and back, and has a handful of rising ticks inside.
func TestScaleCoversAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float64(), rapid.Float64Range(-10, 10), rapid.Just(math.Inf(-1)), rapid.Just(math.NaN())), 0, 20).Draw(t, "values")
		log := rapid.Bool().Draw(t, "log")
		s := newScale([][]float64{values}, log, rapid.Bool().Draw(t, "zero"), rapid.Bool().Draw(t, "tight"))
		if !(s.lo < s.hi) || math.IsInf(s.hi-s.lo, 0) {
			t.Fatalf("scale %+v", s)
		}
		for _, v := range values {
			if !usable(v, log) {
				continue
			}
			n := s.norm(v)
			if !(n >= 0 && n <= 1) {
				t.Fatalf("%v of %+v is at %v", v, s, n)
			}
			if math.Abs(v) > 1e300 || log && v < 1e-290 {
				continue // more than an axis can show
			}
			if back := s.denorm(n); math.Abs(back-v) > 1e-6*max(math.Abs(s.lo), math.Abs(s.hi)) {
				t.Fatalf("%v of %+v comes back as %v", v, s, back)
			}
		}
		ticks := s.ticks()
		if len(ticks) < 1 || len(ticks) > 20 {
			t.Fatalf("%d ticks in %+v", len(ticks), s)
		}
		for i, k := range ticks {
			if n := s.norm(k.at); n < -1e-6 || n > 1+1e-6 || i > 0 && k.at <= ticks[i-1].at {
				t.Fatalf("ticks %v of %+v", ticks, s)
			}
		}
	})
}
