package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/sim/block"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Story recognises, in the events of a run, the three steps by which tit-for-tat makes two peers partners: Alice optimistically
// unchokes Bob; Alice becomes one of Bob's top four and Bob reciprocates; Bob becomes one of Alice's top four. It takes no part in the
// run: what it tells has happened. Alice and Bob are the two peers of a class of their own, in the order of arrival.
type Story struct {
	names      Names
	alice, bob int32
	top        int // slots: the "four" of the top four

	stage    int
	spoiled  bool // the first slot between the two was not a try: what follows is another tale
	over     bool // one of the two is complete: seeds have no partners
	asides   int  // passages that are none of the steps, and tell of slots
	passages []Passage
}

// Passage is a sentence of the story.
type Passage struct {
	At   time.Duration
	Step int // 1, 2 or 3, or 0: what happens between the steps
	Text string
}

// maxAsides bounds a tale that comes to no end.
const maxAsides = 8

// NewStory prepares the story of a population of sc. It is an error when there are not two peers to tell of.
func NewStory(sc *scenario.Scenario, peers []scenario.Peer) (*Story, error) {
	s := &Story{names: NewNames(sc, peers), top: sc.Slots}
	if s.top == 0 {
		s.top = 4
	}
	if !sc.Story {
		return nil, fmt.Errorf("scenario %s has no story to tell: want \"story = true\" and two classes of one peer", sc.Name)
	}
	var two []int32
	for i := sc.Servers(); i < len(peers); i++ {
		if sc.Classes[peers[i].Class].Count == 1 {
			two = append(two, int32(i))
		}
	}
	if len(two) != 2 {
		return nil, fmt.Errorf("a story is about two peers, of a class of one peer each: scenario %s has %d", sc.Name, len(two))
	}
	s.alice, s.bob = two[0], two[1]
	return s, nil
}

// Watch takes the next event of the run; it is an Options.Trace.
func (s *Story) Watch(e block.Event) {
	switch e.Kind {
	case block.Joined, block.Completed, block.Left:
		s.comeOrGo(e)
	case block.Unchoked, block.Moved, block.Choked:
		switch {
		case s.over:
		case e.Peer == s.alice && e.Other == s.bob:
			s.fromAlice(e)
		case e.Peer == s.bob && e.Other == s.alice:
			s.fromBob(e)
		}
	}
}

// Told reports whether the three steps happened, in order.
func (s *Story) Told() bool { return s.stage == 3 }

// Passages returns the story so far.
func (s *Story) Passages() []Passage { return slices.Clone(s.passages) }

func (s *Story) tell(e block.Event, step int, format string, args ...any) {
	s.passages = append(s.passages, Passage{e.At, step, fmt.Sprintf(format, args...)})
}

func (s *Story) comeOrGo(e block.Event) {
	name := s.names[e.Peer]
	if e.Peer != s.alice && e.Peer != s.bob {
		if name == "server" && e.Kind == block.Left {
			s.tell(e, 0, "The server leaves: from now on the peers have only each other.")
		}
		return
	}
	switch e.Kind {
	case block.Joined:
		s.tell(e, 0, "%s joins the swarm.", name)
	case block.Completed:
		s.over = true
		s.tell(e, 0, "%s has the whole file.", name)
	case block.Left:
		s.tell(e, 0, "%s leaves.", name)
	}
}

// fromAlice tells what Alice does about Bob: steps 1 and 3.
func (s *Story) fromAlice(e block.Event) {
	a, b := s.names[s.alice], s.names[s.bob]
	switch {
	case s.stage == 3 || s.spoiled:
		s.aside(e)
	case e.Kind == block.Choked:
		s.stage = 0
		s.tell(e, 0, "%s chokes %s again: %s.", a, b, s.sends(b, e))
	case s.stage == 0 && e.Slot == swarm.OptimisticSlot:
		s.stage = 1
		s.tell(e, 1, "%s optimistically unchokes %s, who is next by chance: %s, and the other slots go to those who send most.", a, b, s.sends(b, e))
	case s.stage == 2 && e.Slot == swarm.RegularSlot && s.among(e):
		s.stage = 3
		s.tell(e, 3, "%s becomes one of %s's top %s: %s. %s gives %s a regular slot: they are partners.", b, a, number(s.top), s.sends(b, e), a, b)
	default:
		s.spoil(e)
	}
}

// fromBob tells what Bob does about Alice: step 2.
func (s *Story) fromBob(e block.Event) {
	a, b := s.names[s.alice], s.names[s.bob]
	switch {
	case s.stage == 3 || s.spoiled:
		s.aside(e)
	case s.stage == 0 && e.Kind == block.Choked:
		s.aside(e)
	case s.stage == 0:
		s.spoil(e)
	case e.Kind == block.Choked:
		s.stage = 1
		s.tell(e, 0, "%s chokes %s again: %s.", b, a, s.sends(a, e))
	case s.stage == 1 && e.Slot == swarm.RegularSlot && s.among(e):
		s.stage = 2
		s.tell(e, 2, "%s becomes one of %s's top %s: %s. %s reciprocates and gives %s a regular slot.", a, b, number(s.top), s.sends(a, e), b, a)
	default:
		s.aside(e)
	}
}

// among reports whether the choked or unchoked one is among the senders that earn a slot by what they send.
func (s *Story) among(e block.Event) bool { return e.Down > 0 && e.Better < s.top }

// spoil tells a slot that the three steps have no place for.
func (s *Story) spoil(e block.Event) {
	s.spoiled = true
	s.aside(e)
	if e.Slot == swarm.RegularSlot && e.Down == 0 {
		s.tell(e, 0, "A regular slot for nothing: this is not tit-for-tat.")
	}
}

// aside tells a change of slots that is none of the steps.
func (s *Story) aside(e block.Event) {
	s.asides++
	giver, taker := s.names[e.Peer], s.names[e.Other]
	switch {
	case s.asides == maxAsides:
		s.tell(e, 0, "And so on.")
	case s.asides > maxAsides:
	case e.Kind == block.Choked:
		s.tell(e, 0, "%s chokes %s: %s.", giver, taker, s.sends(taker, e))
	default:
		s.tell(e, 0, "%s gives %s %s slot: %s.", giver, taker, kindOf(e.Slot), s.sends(taker, e))
	}
}

// sends says what the giver of a slot gets from its taker.
func (s *Story) sends(name string, e block.Event) string {
	switch {
	case e.Down == 0:
		return name + " sends nothing so far"
	case e.Better == 0:
		return fmt.Sprintf("%s sends %s, more than anybody else", name, units.FormatRate(e.Down))
	}
	return fmt.Sprintf("%s sends %s, %s more", name, units.FormatRate(e.Down), others(e.Better))
}

func others(n int) string {
	if n == 1 {
		return "1 other sends"
	}
	return fmt.Sprintf("%d others send", n)
}

func kindOf(s swarm.Slot) string {
	switch s {
	case swarm.OptimisticSlot:
		return "an optimistic"
	case swarm.RegularSlot:
		return "a regular"
	}
	return "a free"
}

// number is a small number in words.
func number(n int) string {
	words := [...]string{"none", "one", "two", "three", "four", "five", "six", "seven", "eight"}
	if n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

// Moral ends the story: what became of the three steps.
func (s *Story) Moral() string {
	a, b := s.names[s.alice], s.names[s.bob]
	switch {
	case s.stage == 3:
		return fmt.Sprintf("The three steps of tit-for-tat happened in order: %s tried %s, %s gave back, and both kept what they found.", a, b, b)
	case s.spoiled:
		return fmt.Sprintf("The three steps of tit-for-tat did not happen: the slots between %s and %s came about in another way.", a, b)
	case s.stage == 2:
		return fmt.Sprintf("The tale stops after the second step: %s never became one of %s's top %s.", b, a, number(s.top))
	case slices.ContainsFunc(s.passages, func(p Passage) bool { return p.Step == 1 }):
		return fmt.Sprintf("The tale stops after the first step: %s tried %s, but %s did not reciprocate.", a, b, b)
	}
	return fmt.Sprintf("The three steps of tit-for-tat did not happen: %s never tried %s.", a, b)
}
