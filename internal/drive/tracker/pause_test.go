package tracker

import (
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	var p pause
	now := time.Unix(0, 0)
	if !p.allows(now) || p.succeeded() || !p.failed(now) {
		t.Fatal("the first failure was not the first")
	}
	for range 10 {
		p.failed(now) // under way with the first
	}
	wait := pauseLow
	for range 10 {
		if p.allows(now.Add(wait - 1)) {
			t.Fatalf("tried before %v", wait)
		}
		now = now.Add(wait)
		if !p.allows(now) || p.allows(now) {
			t.Fatalf("not one attempt after %v", wait)
		}
		if p.failed(now) {
			t.Fatal("a later failure was the first")
		}
		wait = min(2*wait, pauseHigh)
	}
	if !p.succeeded() || p.succeeded() || !p.allows(now) || !p.allows(now) {
		t.Error("an answer did not end the pause")
	}
}
