package theory

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// classes draws receivers, some without upload, some with unlimited downloads.
func classes(t *rapid.T) []Class {
	rate := rapid.OneOf(rapid.Float64Range(1, 100), rapid.Float64Range(1, 1e6), rapid.Just(0.0))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Class {
		return Class{rapid.IntRange(0, 6).Draw(t, "n"), rate.Draw(t, "up"), rate.Draw(t, "down")}
	}), 1, 5).Draw(t, "classes")
}

// Kumar and Ross: the schedule attains the bound. Every receiver gets exactly the content in that time, and no link is exceeded.
func TestFluidAttainsTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, server := rapid.Float64Range(1, 1e9).Draw(t, "size"), rapid.Float64Range(0.5, 1e6).Draw(t, "server")
		checkSchedule(t, size, server, classes(t))
	})
}

func checkSchedule(t interface{ Fatalf(string, ...any) }, size, server float64, cs []Class) {
	s := Fluid(size, server, cs...)
	if want := P2P(size, server, cs...); s.Bound != want {
		t.Fatalf("bound %v, want %v", s.Bound, want)
	}
	n := s.Receivers()
	if n == 0 {
		return
	}
	sent, got, own := make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	for f := range s.Flows() {
		if f.Rate <= 0 || f.From == f.To || f.To == 0 {
			t.Fatalf("flow %+v", f)
		}
		if f.From == 0 && f.Via != 0 {
			own[f.Via] = f.Rate
		}
		// Nobody passes on what it does not receive as fast.
		if f.From != 0 && (f.Via != f.From || f.Rate > own[f.From]) {
			t.Fatalf("flow %+v, but its sender receives that stream at %v", f, own[f.From])
		}
		sent[f.From] += f.Rate
		got[f.To] += f.Rate
	}
	const rounding = 1 + 1e-9
	if sent[0] > server*rounding || math.Abs(sent[0]-s.ServerRate()) > 1e-9*server {
		t.Fatalf("the server sends %v of %v; told %v", sent[0], server, s.ServerRate())
	}
	for i, st := range s.each() {
		if sent[i] > st.Up*rounding {
			t.Fatalf("receiver %d sends %v of %v", i, sent[i], st.Up)
		}
		if st.Down > 0 && got[i] > st.Down*rounding {
			t.Fatalf("receiver %d receives %v of %v", i, got[i], st.Down)
		}
		if has := got[i] * s.Bound.Seconds; math.Abs(has-size) > 1e-9*size {
			t.Fatalf("receiver %d has %v of %v at the bound", i, has, size)
		}
	}
}

func TestFluidCases(t *testing.T) {
	for _, row := range []struct {
		name   string
		server float64
		cs     []Class
		rate   float64
		common float64
		own    []float64
	}{
		{"one receiver gets all from the server", 10, []Class{{1, 5, 0}}, 10, 10, []float64{0}},
		{"nobody uploads", 10, []Class{{4, 0, 0}}, 2.5, 2.5, []float64{0}},
		{"the course at 35", 10, []Class{{35, 1, 0}}, 45.0 / 35, 45.0/35 - 35.0/34, []float64{1.0 / 34}},
		{"uploads to spare: the server limits", 10, []Class{{3, 100, 0}}, 10, 0, []float64{10.0 / 3}},
		{"d_min binds", 10, []Class{{2, 6, 0}, {1, 0, 3}}, 3, 0, []float64{1.5, 0}},
		{"different uploads", 4, []Class{{1, 1, 0}, {1, 3, 0}}, 4, 0, []float64{1, 3}},
	} {
		s := Fluid(100, row.server, row.cs...)
		if math.Abs(s.Rate-row.rate) > 1e-12 || math.Abs(s.Common-row.common) > 1e-12 {
			t.Errorf("%s: rate %v, common %v, want %v, %v", row.name, s.Rate, s.Common, row.rate, row.common)
		}
		for i, st := range s.Streams {
			if math.Abs(st.Own-row.own[i]) > 1e-12 {
				t.Errorf("%s: class %d has the stream %v, want %v", row.name, i, st.Own, row.own[i])
			}
		}
		checkSchedule(t, 100, row.server, row.cs)
	}
	for _, s := range []Schedule{Fluid(100, 10), Fluid(100, 0, Class{Peers: 2, Up: 1}), Fluid(100, math.Inf(1), Class{Peers: 2, Up: 1})} {
		for f := range s.Flows() {
			t.Errorf("%+v has the flow %+v", s, f)
		}
	}
	for range Fluid(100, 10, Class{35, 1, 0}).Flows() {
		break // the sequence ends when it is told to
	}
}
