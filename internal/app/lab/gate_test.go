package lab

import (
	"context"
	"errors"
	"testing"
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
