package lab

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waits at the gate goes on when all stand there, each counted once, and not before.
func TestGateWaitsForAll(t *testing.T) {
	g := newGate(2)
	all := func() bool { return len(g.standing) >= g.n }
	opened := make(chan error)
	go func() { opened <- g.await(context.Background(), all) }()
	g.stand("a")
	g.stand("a") // a second announce of the same peer
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("nobody else came"))
	if err := g.await(ended, all); err == nil {
		t.Fatal("the gate opened for one of two")
	}
	g.stand("b")
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

// The first moment of completion counts, and a run that has ended well does not fail afterwards, when its members are killed.
func TestGateKeepsTheFirst(t *testing.T) {
	g := newGate(1)
	first := time.Unix(5, 0)
	g.finish(1, first)
	g.finish(1, first.Add(time.Second))
	if got := g.done[1]; got != first {
		t.Errorf("complete at %v, want %v", got, first)
	}
	g.change(func() { g.over = true })
	g.fail(errors.New("killed"))
	if err := g.await(context.Background(), func() bool { return true }); err != nil {
		t.Error(err)
	}
}

// A member that ends too early ends the run, with the first reason given.
func TestGateFails(t *testing.T) {
	g := newGate(1)
	reason := errors.New("peer 1 ended: disk full")
	g.fail(reason)
	g.fail(errors.New("peer 2 ended: no tracker"))
	if err := g.await(context.Background(), func() bool { return false }); err != reason {
		t.Errorf("got %v, want %v", err, reason)
	}
}

// gatedLab is a lab of three receivers, without links to count on.
func gatedLab() *Lab {
	l := &Lab{cfg: Config{Size: 8e6, Shaping: Internal}, net: &network{peers: make([]machine, 4)}}
	for i := range l.net.peers {
		l.net.peers[i].up.measured = 1e6
	}
	return l
}

// docs/lab.md: "The receivers start, and announce themselves to it; when it has heard of all of them, and a second has passed, the
// gate opens: the seed is started, and the clock with it. It stops when the last receiver has verified its last piece".
func TestTheClockStartsWhenAllHaveAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, g, start := gatedLab(), newGate(3), time.Now()
		since := func() time.Duration { return time.Since(start) }
		go func() {
			for i, at := range []time.Duration{5 * time.Second, 20 * time.Second, 20 * time.Second, 50 * time.Second} {
				time.Sleep(at - since())
				g.announced([20]byte{byte(min(i, 2))}, 1) // the third twice
				g.announced([20]byte{9, byte(i)}, 0)      // the server, or somebody complete: no receiver
				if i == 2 && len(g.standing) != 3 || i == 1 && len(g.standing) != 2 {
					t.Errorf("after %d announces: %d stand at the gate", i+1, len(g.standing))
				}
			}
		}()
		opened := time.Duration(-1)
		m, err := l.measure(context.Background(), g, func() error {
			opened = since()
			go func() {
				for i, after := range []time.Duration{7 * time.Second, 2 * time.Second, 9 * time.Second} {
					time.AfterFunc(after, func() { g.finish(i+1, time.Now()) })
				}
			}()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if opened != 20*time.Second+settle {
			t.Errorf("the gate opened at %v, the last receiver announced itself at 20 s", opened)
		}
		if m.Measured != 9 || m.Done[0] != 2 {
			t.Errorf("measured %v, %v: not from the opening of the gate", m.Measured, m.Done)
		}
		time.Sleep(time.Minute) // let the announces end
	})
}

// What the opening itself takes, the start of the seed, is part of the time.
func TestOpeningCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		g.announced([20]byte{1}, 1)
		m, err := gatedLab().measure(context.Background(), g, func() error {
			time.Sleep(3 * time.Second)
			time.AfterFunc(2*time.Second, func() { g.finish(1, time.Now()) })
			return nil
		})
		if err != nil || m.Measured != 5 {
			t.Errorf("%+v, %v: want 5 s", m, err)
		}
	})
}

// Where one never comes, the gate stays closed, and the lab says so.
func TestTheGateStaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3)
		g.announced([20]byte{1}, 1)
		g.announced([20]byte{2}, 1)
		_, err := gatedLab().measure(context.Background(), g, func() error { t.Error("it opened"); return nil })
		if err == nil || !strings.Contains(err.Error(), "3 receivers did not get ready within 2m0s") {
			t.Error(err)
		}
	})
}

// A share is one: the ticks of a short run that come in late make no 103 %.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		spent, there time.Duration
		want         float64
	}{{0, time.Second, 0}, {500 * time.Millisecond, time.Second, 0.5}, {1030 * time.Millisecond, time.Second, 1}, {-1, time.Second, 0}, {time.Second, 0, 0}} {
		if got := share(c.spent, c.there); got != c.want {
			t.Errorf("%v of %v is %v, want %v", c.spent, c.there, got, c.want)
		}
	}
}
