package theory

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The course's figure: F/u = 1 hour, u_s = 10u, d_min >= u_s. Units here: u = 1, F = 1, so times are hours.
func TestCourseFigure(t *testing.T) {
	const server = 10
	for _, row := range []struct {
		n        int
		cs, p2p  float64
		csL, ppL Limit
	}{
		{1, 0.1, 0.1, LimitServer, LimitServer},
		{5, 0.5, 1.0 / 3, LimitServer, LimitAggregate},
		{10, 1, 0.5, LimitServer, LimitAggregate},
		{20, 2, 2.0 / 3, LimitServer, LimitAggregate},
		{30, 3, 0.75, LimitServer, LimitAggregate},
		{35, 3.5, 7.0 / 9, LimitServer, LimitAggregate},
	} {
		peers := Class{Peers: row.n, Up: 1, Down: server}
		check(t, "client-server", row.n, ClientServer(1, server, peers), Bound{row.cs, row.csL})
		check(t, "p2p", row.n, P2P(1, server, peers), Bound{row.p2p, row.ppL})
	}
}

func check(t *testing.T, what string, n int, got, want Bound) {
	t.Helper()
	if math.Abs(got.Seconds-want.Seconds) > 1e-12 || got.Limit != want.Limit {
		t.Errorf("%s of %d peers: got %v, want %v", what, n, got, want)
	}
}

func TestEdges(t *testing.T) {
	inf := math.Inf(1)
	for _, row := range []struct {
		name string
		got  Bound
		want Bound
	}{
		{"nobody wants it, client-server", ClientServer(100, 10), Bound{0, LimitServer}},
		{"nobody wants it, p2p", P2P(100, 10), Bound{0, LimitServer}},
		{"empty file", P2P(0, 10, Class{Peers: 3}), Bound{0, LimitServer}},
		{"slowest download", P2P(100, 1000, Class{3, 500, 50}, Class{1, 500, 5}), Bound{20, LimitDownload}},
		{"unlimited download is no limit", P2P(100, 10, Class{Peers: 1, Up: 1}), Bound{10, LimitServer}},
		{"silent server", P2P(100, 0, Class{Peers: 2, Up: 1}), Bound{inf, LimitServer}},
		{"unlimited server", ClientServer(100, inf, Class{Peers: 9, Down: 10}), Bound{10, LimitDownload}},
		{"free riders make p2p client-server", P2P(100, 10, Class{Peers: 5}), Bound{50, LimitAggregate}},
		{"mixed uploads", P2P(120, 10, Class{Peers: 2, Up: 1}, Class{Peers: 2, Up: 4}, Class{Peers: -1, Up: 9}), Bound{24, LimitAggregate}},
	} {
		if row.got != row.want {
			t.Errorf("%s: got %v, want %v", row.name, row.got, row.want)
		}
	}
}

// Passing pieces on never makes the least time longer, and the P2P time of equal peers stays under F/u for ever.
func TestSelfScaling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1, 1e9)
		size, server := rapid.Float64Range(1, 1e12).Draw(t, "size"), rate.Draw(t, "server")
		c := Class{rapid.IntRange(1, 1e6).Draw(t, "n"), rate.Draw(t, "up"), rate.Draw(t, "down")}
		cs, p2p := ClientServer(size, server, c), P2P(size, server, c)
		if p2p.Seconds > cs.Seconds*(1+1e-12) {
			t.Fatalf("p2p %v is longer than client-server %v", p2p, cs)
		}
		if p2p.Limit == LimitAggregate && p2p.Seconds >= size/c.Up {
			t.Fatalf("p2p %v is not below F/u = %v", p2p, size/c.Up)
		}
	})
}
