package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

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
