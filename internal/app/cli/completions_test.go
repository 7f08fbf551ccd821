package cli

import "testing"

// Each peer counts once, when it says that it has become complete or is seen to have; who came complete is no copy of ours.
func TestCompletions(t *testing.T) {
	var c completions
	hash, other := [20]byte{1}, [20]byte{2}
	for i, step := range []struct {
		hash      [20]byte
		id        byte
		left      int64
		completed bool
		count     int
	}{
		{hash, 1, 5, false, 0}, // comes
		{hash, 1, 3, false, 0}, // goes on
		{hash, 1, 0, false, 1}, // stops with nothing left, as aria2
		{hash, 1, 0, true, 1},  // says so again elsewhere
		{hash, 2, 0, false, 1}, // came complete
		{hash, 3, 0, true, 2},  // its beginning was before ours
		{hash, 4, 5, true, 2},  // contradicts itself
		{other, 5, 0, true, 2}, // another torrent's
		{hash, 1, 5, false, 2}, // starts again: it is the same peer
		{hash, 1, 0, true, 2},
	} {
		c.hear(step.hash, [20]byte{step.id}, step.left, step.completed)
		if got := c.count(hash); got != step.count {
			t.Errorf("step %d: %d, want %d", i, got, step.count)
		}
	}
	for i := range 2 * maxCompletions {
		c.hear(other, [20]byte{9, byte(i), byte(i >> 8), byte(i >> 16)}, 0, true)
	}
	if got := c.count(other); got != maxCompletions {
		t.Errorf("%d peers are remembered, want at most %d", got, maxCompletions)
	}
}
