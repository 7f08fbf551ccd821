package theory

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// course's units: F = 1, u = 1, us = 10, times in hours.
func TestDeadlineOfTheCourse(t *testing.T) {
	for _, row := range []struct {
		name    string
		got     Answer
		value   float64
		blocked Limit
	}{
		{"server alone for 35 in half an hour", first(ServerFor(1, 0.5, Class{35, 1, 0})), 70, ""},
		{"server for 35 in half an hour", second(ServerFor(1, 0.5, Class{35, 1, 0})), 35, ""},
		{"one copy at least", second(ServerFor(1, 0.5, Class{35, 100, 0})), 2, ""},
		{"download too slow", second(ServerFor(1, 0.5, Class{35, 1, 1})), 0, LimitDownload},
		{"server for nobody", second(ServerFor(1, 0.5)), 0, ""},
		{"upload for 35 in half an hour", UploadFor(1, 0.5, 10, Class{35, 1, 0}), 2 - 10.0/35, ""},
		{"no upload needed", UploadFor(1, 0.5, 100, Class{35, 1, 0}), 0, ""},
		{"server cannot send one copy", UploadFor(1, 0.05, 10, Class{35, 1, 0}), 0, LimitServer},
		{"slow receivers", UploadFor(1, 0.5, 10, Class{35, 1, 1.5}), 0, LimitDownload},
		{"upload for nobody", UploadFor(1, 0.5, 10, Class{}), 0, ""},
		{"peers alone in half an hour", first(PeersFor(1, 0.5, 10, Class{0, 1, 0})), 5, ""},
		{"peers in half an hour", second(PeersFor(1, 0.5, 10, Class{0, 1, 0})), 10, ""},
		{"rounding takes no peer away", first(PeersFor(0.1, 0.3, 1, Class{0, 1, 0})), 3, ""}, // 0.3/0.1 < 3
		{"peers in an hour: any number", second(PeersFor(1, 1, 10, Class{0, 1, 0})), math.Inf(1), ""},
		{"peers in less than one copy takes", second(PeersFor(1, 0.05, 10, Class{0, 1, 0})), 0, LimitServer},
		{"peers that are too slow", second(PeersFor(1, 0.5, 10, Class{0, 1, 1})), 0, LimitDownload},
	} {
		if math.Abs(row.got.Value-row.value) > 1e-9 || row.got.Blocked != row.blocked {
			t.Errorf("%s: %+v, want %v %q", row.name, row.got, row.value, row.blocked)
		}
	}
}

func first(a, _ Answer) Answer  { return a }
func second(_, b Answer) Answer { return b }

// The inverse of the inverse: with what ServerFor answers, the bound is the deadline or, where a single receiver's share binds,
// below; with less it is missed.
func TestServerForInverts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, deadline, cs := rapid.Float64Range(1, 1e9).Draw(t, "size"), rapid.Float64Range(0.01, 1e5).Draw(t, "deadline"), classes(t)
		alone, shared := ServerFor(size, deadline, cs...)
		if n, _, slowest := sum(cs); n == 0 {
			return
		} else if blocked := size/slowest > deadline*(1+slack); blocked != (shared.Blocked == LimitDownload) || blocked != (alone.Blocked == LimitDownload) {
			t.Fatalf("blocked: %v, answers %+v, %+v", blocked, alone, shared)
		} else if blocked {
			return
		}
		for what, bound := range map[string]func(us float64) float64{
			"client-server": func(us float64) float64 { return ClientServer(size, us, cs...).Seconds },
			"p2p":           func(us float64) float64 { return P2P(size, us, cs...).Seconds },
		} {
			us := alone.Value
			if what == "p2p" {
				us = shared.Value
			}
			if got := bound(us); got > deadline*(1+1e-9) {
				t.Fatalf("%s with %v takes %v, deadline %v", what, us, got, deadline)
			}
			if got := bound(us * 0.999); got < deadline*(1+1e-9) {
				// The uploads of all may be so large that a thousandth of the server's does not show.
				if _, up, _ := sum(cs); what != "p2p" || up < us*1e6 {
					t.Fatalf("%s with less than %v takes %v, deadline %v", what, us, got, deadline)
				}
			}
		}
	})
}

func TestUploadAndPeersInvert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1, 1000)
		size, deadline, server := rapid.Float64Range(1, 1e6).Draw(t, "size"), rapid.Float64Range(0.1, 1e4).Draw(t, "deadline"), rate.Draw(t, "server")
		c := Class{rapid.IntRange(1, 10000).Draw(t, "n"), rate.Draw(t, "up"), rapid.OneOf(rate, rapid.Just(0.0)).Draw(t, "down")}
		if a := UploadFor(size, deadline, server, c); a.Blocked == "" {
			with := Class{c.Peers, a.Value, c.Down}
			if got := P2P(size, server, with).Seconds; got > deadline*(1+1e-9) {
				t.Fatalf("upload %v takes %v, deadline %v", a.Value, got, deadline)
			}
			with.Up = a.Value * 0.9
			if a.Value*float64(c.Peers) > server*1e-6 && P2P(size, server, with).Seconds <= deadline {
				t.Fatalf("less than %v keeps the deadline", a.Value)
			}
		} else if P2P(size, server, Class{c.Peers, 1e300, c.Down}).Seconds <= deadline*(1-1e-9) {
			t.Fatalf("blocked by %s, but a large upload does it", a.Blocked)
		}
		alone, shared := PeersFor(size, deadline, server, c)
		checkMost(t, alone, deadline, func(n int) float64 { return ClientServer(size, server, Class{n, c.Up, c.Down}).Seconds })
		checkMost(t, shared, deadline, func(n int) float64 { return P2P(size, server, Class{n, c.Up, c.Down}).Seconds })
		if shared.Value < alone.Value {
			t.Fatalf("P2P serves fewer, %v, than the server alone, %v", shared.Value, alone.Value)
		}
	})
}

// checkMost checks that n receivers keep the deadline and n+1 do not.
func checkMost(t *rapid.T, a Answer, deadline float64, bound func(n int) float64) {
	switch {
	case a.Blocked != "":
		if bound(1) <= deadline*(1-1e-9) {
			t.Fatalf("blocked by %s, but one receiver takes %v of %v", a.Blocked, bound(1), deadline)
		}
	case math.IsInf(a.Value, 1):
		if got := bound(math.MaxInt32); got > deadline*(1+1e-9) {
			t.Fatalf("any number, but %v > %v", got, deadline)
		}
	default:
		n := int(a.Value)
		if n < 1 || bound(n) > deadline*(1+1e-9) || bound(n+1) <= deadline {
			t.Fatalf("%d receivers take %v, one more %v, deadline %v", n, bound(n), bound(n+1), deadline)
		}
	}
}

// Crossover against counting up.
func TestCrossover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		server, cs := rapid.SampledFrom([]float64{0.5, 1, 7.5, 20, 60}).Draw(t, "server"), rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Class {
			rate := rapid.SampledFrom([]float64{0, 1, 5, 7.5})
			return Class{rapid.IntRange(0, 9).Draw(t, "n"), rate.Draw(t, "up"), rate.Draw(t, "down")}
		}), 1, 4).Draw(t, "classes")
		want, wins := 0, false
		var prefix []Class
		for _, c := range cs {
			for i := 0; i < c.Peers && !wins; i++ {
				prefix = append(prefix, Class{1, c.Up, c.Down})
				want++
				wins = P2P(30, server, prefix...).Seconds < ClientServer(30, server, prefix...).Seconds*(1-1e-12)
			}
		}
		if n, ok := Crossover(server, cs...); ok != wins || ok && n != want {
			t.Fatalf("%d %v, counting up gives %d %v", n, ok, want, wins)
		}
	})
	for _, row := range []struct {
		server float64
		c      Class
		n      int
		ok     bool
	}{
		{10, Class{math.MaxInt, 1, 0}, 2, true}, {10, Class{math.MaxInt, 1, 1}, 11, true}, {10, Class{math.MaxInt, 0, 1}, 0, false},
		{math.Inf(1), Class{math.MaxInt, 1, 0}, 0, false}, {10, Class{10, 1, 1}, 0, false},
	} {
		if n, ok := Crossover(row.server, row.c); n != row.n || ok != row.ok {
			t.Errorf("%+v: %d %v", row, n, ok)
		}
	}
}

func TestSmallModels(t *testing.T) {
	if got := FreeRiderShare(4); got != 0.2 {
		t.Errorf("free rider: %v", got)
	}
	for _, row := range []struct{ server, up, gamma, want float64 }{
		{3, 1, math.Inf(1), 3}, {3, 1, 2, 6}, {3, 1, 1, math.Inf(1)}, {3, 1, 0.5, math.Inf(1)},
	} {
		if got := MissingPiece(row.server, row.up, row.gamma); got != row.want {
			t.Errorf("missing piece %+v: %v", row, got)
		}
	}
}

// Counting up finds the same beginning of the list, whatever the order of links.
func TestFirstWithinIsWhatCountingFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var classes, each []Class
		for range rapid.IntRange(0, 5).Draw(t, "classes") {
			c := Class{Peers: rapid.IntRange(0, 6).Draw(t, "peers"), Up: float64(rapid.IntRange(0, 8).Draw(t, "up")),
				Down: float64(rapid.IntRange(0, 12).Draw(t, "down"))}
			classes = append(classes, c)
			for range c.Peers {
				each = append(each, Class{Peers: 1, Up: c.Up, Down: c.Down})
			}
		}
		size, server := 100.0, float64(rapid.IntRange(1, 30).Draw(t, "server"))
		deadline := float64(rapid.IntRange(1, 60).Draw(t, "deadline"))
		alone, shared := 0, 0
		for n := 1; n <= len(each); n++ {
			if within(ClientServer(size, server, each[:n]...).Seconds, deadline) {
				alone = n
			}
			if within(P2P(size, server, each[:n]...).Seconds, deadline) {
				shared = n
			}
		}
		if a, s := FirstWithin(size, deadline, server, classes...); a != alone || s != shared {
			t.Fatalf("FirstWithin = %d, %d; counting finds %d, %d", a, s, alone, shared)
		}
	})
}
