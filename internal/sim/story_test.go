package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/sim/block"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// told runs the scenario alice, changed, and returns its story up to a time.
func told(t *testing.T, until time.Duration, change func(sc *scenario.Scenario)) *Story {
	t.Helper()
	sc, err := scenario.Load("alice")
	if err != nil {
		t.Fatal(err)
	}
	sc.Until = until
	change(sc)
	s, err := NewStory(sc, sc.Population())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), sc, Options{Trace: s.Watch}); err != nil {
		t.Fatal(err)
	}
	return s
}

// steps returns the steps that were told, in order.
func steps(s *Story) (out []int) {
	for _, p := range s.Passages() {
		if p.Step > 0 {
			out = append(out, p.Step)
		}
	}
	return out
}

func text(s *Story) string {
	var b strings.Builder
	for _, p := range s.Passages() {
		b.WriteString(p.At.String() + " " + p.Text + "\n")
	}
	return b.String() + s.Moral()
}

// Mission, section 2: "Alice optimistically unchokes Bob; Alice becomes one of Bob's top four and Bob reciprocates; Bob becomes one of
// Alice's top four."
func TestTheStoryOfAliceAndBob(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a long simulation, of which nothing runs beside anything else")
	}
	s := told(t, 200*time.Second, func(*scenario.Scenario) {})
	if !s.Told() || !slices.Equal(steps(s), []int{1, 2, 3}) {
		t.Fatalf("steps %v:\n%s", steps(s), text(s))
	}
	at := time.Duration(0)
	for i, want := range []string{"Alice optimistically unchokes Bob", "Alice becomes one of Bob's top four", "Bob becomes one of Alice's top four"} {
		p := s.Passages()[slices.IndexFunc(s.Passages(), func(p Passage) bool { return p.Step == i+1 })]
		if !strings.HasPrefix(p.Text, want) || p.At <= at {
			t.Errorf("step %d at %v: %s", i+1, p.At, p.Text)
		}
		at = p.At
	}
}

// With slots for those who have least, Bob needs to give nothing: the tale is another. As a free rider he gives nothing, and stays
// a stranger.
func TestOtherManners(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a long simulation, of which nothing runs beside anything else")
	}
	for _, row := range []struct {
		name   string
		change func(sc *scenario.Scenario)
		moral  string
	}{
		{"cooperative", func(sc *scenario.Scenario) {
			if err := sc.SetPolicy("cooperative"); err != nil {
				t.Fatal(err)
			}
		}, "did not happen"},
		{"Bob is a free rider", func(sc *scenario.Scenario) { sc.Classes[2].Strategy = scenario.FreeRider }, "did not reciprocate"},
	} {
		s := told(t, 400*time.Second, row.change)
		if s.Told() || slices.Contains(steps(s), 3) || !strings.Contains(s.Moral(), row.moral) {
			t.Errorf("%s: steps %v:\n%s", row.name, steps(s), text(s))
		}
	}
}

// The steps count only in their order, and only where rates earned them.
func TestWhatIsNoStep(t *testing.T) {
	const alice, bob = 1, 2
	slot := func(from, to int32, was, is swarm.Slot, down int64, better int) block.Event {
		kind := block.Moved
		switch {
		case was == swarm.NoSlot:
			kind = block.Unchoked
		case is == swarm.NoSlot:
			kind = block.Choked
		}
		return block.Event{Kind: kind, Peer: from, Other: to, Was: was, Slot: is, Down: down, Better: better}
	}
	const none, free, regular, try = swarm.NoSlot, swarm.FreeSlot, swarm.RegularSlot, swarm.OptimisticSlot
	first, second, third := slot(alice, bob, none, try, 0, 6), slot(bob, alice, none, regular, 9, 3), slot(alice, bob, try, regular, 9, 3)
	for _, row := range []struct {
		name   string
		events []block.Event
		steps  []int
	}{
		{"the story", []block.Event{first, second, third}, []int{1, 2, 3}},
		{"four others send Bob more", []block.Event{first, slot(bob, alice, none, regular, 9, 4), third}, []int{1}},
		{"Alice sends Bob nothing", []block.Event{first, slot(bob, alice, none, regular, 0, 0), third}, []int{1}},
		{"four others send Alice more", []block.Event{first, second, slot(alice, bob, try, regular, 9, 4)}, []int{1, 2}},
		{"a slot for nothing", []block.Event{slot(alice, bob, none, regular, 0, 0), second, third}, nil},
		{"Bob is first", []block.Event{slot(bob, alice, none, free, 0, 0), first, second, third}, nil},
		{"a free slot is no reciprocation", []block.Event{first, slot(bob, alice, none, free, 9, 0), third}, []int{1}},
		{"free, then regular", []block.Event{first, slot(bob, alice, none, free, 0, 0), slot(bob, alice, free, regular, 9, 0), third}, []int{1, 2, 3}},
		{"tried twice", []block.Event{first, slot(alice, bob, try, none, 0, 6), first, second, third}, []int{1, 1, 2, 3}},
		{"Bob takes his slot back", []block.Event{first, second, slot(bob, alice, regular, none, 0, 9), third}, []int{1, 2}},
		{"others do not matter", []block.Event{first, slot(bob, 3, none, regular, 9, 0), slot(3, alice, none, regular, 9, 0), third}, []int{1}},
		{"seeds have no partners", []block.Event{first, second, {Kind: block.Completed, Peer: bob, Other: -1}, third}, []int{1, 2}},
	} {
		s := &Story{names: Names{"server", "Alice", "Bob", "Carol"}, alice: alice, bob: bob, top: 4}
		for _, e := range row.events {
			s.Watch(e)
		}
		if got := steps(s); !slices.Equal(got, row.steps) || s.Told() != (len(row.steps) > 2) {
			t.Errorf("%s: steps %v, want %v:\n%s", row.name, got, row.steps, text(s))
		}
	}
}

func TestNoStory(t *testing.T) {
	sc, err := scenario.Load("course")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewStory(sc, sc.Population()); err == nil {
		t.Error("the course has a story")
	}
	sc.Story = true
	if _, err := NewStory(sc, sc.Population()); err == nil || !strings.Contains(err.Error(), "has 0") {
		t.Errorf("a story of nobody: %v", err)
	}
}
