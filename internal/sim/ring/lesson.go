package ring

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Position is a place on the ring, Space its width: ringwire's, for those who may not import that.
type (
	Position = core.ID
	Space    = core.Space
)

// MaxLesson is how many nodes an explanation may have: more are no explanation.
const MaxLesson = 256

// Lesson is a small ring and what is to happen on it. What joins comes first, then what is killed fails at one moment, and when the ring is in
// order again, From asks for Key.
type Lesson struct {
	Space      Space
	Nodes      []LessonNode
	Successors int        // r; 0 = 2, as in the course
	Shortcuts  bool       // fingers
	Links      []Link     // shortcuts of the lecturer's own, instead of fingers
	Join       []Position // come one after the other
	Kill       []Position // fail together
	From       *Position  // nil = the first node that is not killed
	Key        *Position  // nil = nobody asks
}

// LessonNode is a node of a Lesson.
type LessonNode struct {
	At   Position
	Name string // "" = its position
}

// Link is a shortcut from one node to another.
type Link struct{ From, To Position }

// ParsePosition reads a position: a decimal number in rings of up to 64 bits, else hexadecimal digits.
func ParsePosition(s Space, text string) (Position, error) {
	if s.Width() <= 64 {
		n, err := strconv.ParseUint(text, 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return Position{}, fmt.Errorf("position %s is outside a ring of %d bits", text, s.Width())
		case err != nil:
			return Position{}, fmt.Errorf("%q is no position: want a number like 12", text)
		}
		return s.ID(n)
	}
	n, ok := new(big.Int).SetString(text, 16)
	if !ok || n.Sign() < 0 {
		return Position{}, fmt.Errorf("%q is no position: a ring of %d bits wants hexadecimal digits, as --name shows them", text, s.Width())
	}
	digits := len(Position{}) * 2
	if len(text) > digits {
		return Position{}, fmt.Errorf("position %s has more than %d digits", text, digits)
	}
	id := Position(n.FillBytes(make([]byte, len(Position{}))))
	for i := range ringwire.MaxBits - s.Width() { // the number is as it is printed: from the top
		if id[len(id)-1-i/8]>>(i%8)&1 != 0 {
			return Position{}, fmt.Errorf("position %s has a bit below the last of a ring of %d bits", text, s.Width())
		}
	}
	return id, nil
}

// KeyOf is the position of a name: the first bits of its hash, as live rings take it.
func KeyOf(s Space, name string) Position { return s.Hash(ringwire.KeyTag, []byte(name)) }

// Around is how far around the ring a position is, 0 up to 1, clockwise.
func Around(id Position) float64 {
	n := 0.0
	for i := range 8 {
		n = n*256 + float64(id[i])
	}
	return min(n/(1<<64), 1)
}

// Validate reports what is wrong with a lesson, in words for the command line.
func (l *Lesson) Validate() error {
	if l.Space.Bits < 0 || l.Space.Bits > ringwire.MaxBits {
		return fmt.Errorf("a ring of %d bits: want 1 to %d", l.Space.Bits, ringwire.MaxBits)
	}
	known := map[Position]bool{}
	for _, n := range l.Nodes {
		if known[n.At] {
			return fmt.Errorf("node %s is listed twice", l.Space.Format(n.At))
		}
		known[n.At] = true
	}
	switch {
	case len(l.Nodes) == 0:
		return errors.New("no nodes: a ring has one at least")
	case len(l.Nodes)+len(l.Join) > MaxLesson:
		return fmt.Errorf("%d nodes are too many to explain: want %d at most; eddy sim ring takes a million", len(l.Nodes)+len(l.Join), MaxLesson)
	case l.Successors < 0 || l.Successors > MaxLesson:
		return fmt.Errorf("%d successors: want 1 to %d", l.Successors, MaxLesson)
	case l.Shortcuts && len(l.Links) > 0:
		return errors.New("shortcuts are either the fingers or the given links: give one of them")
	}
	for _, link := range l.Links {
		for _, end := range []Position{link.From, link.To} {
			if !known[end] {
				return fmt.Errorf("the link %s:%s needs a node %s, which there is not", l.Space.Format(link.From), l.Space.Format(link.To), l.Space.Format(end))
			}
		}
		if link.From == link.To {
			return fmt.Errorf("the link %s:%s leads from a node to itself", l.Space.Format(link.From), l.Space.Format(link.To))
		}
	}
	return l.validateChanges(known)
}

// validateChanges checks who comes, goes and asks.
func (l *Lesson) validateChanges(known map[Position]bool) error {
	for _, id := range l.Join {
		if known[id] {
			return fmt.Errorf("node %s cannot join: it is there already", l.Space.Format(id))
		}
		known[id] = true
	}
	for i, id := range l.Kill {
		switch {
		case !known[id]:
			return fmt.Errorf("node %s cannot be killed: there is none", l.Space.Format(id))
		case slices.Contains(l.Kill[:i], id):
			return fmt.Errorf("node %s is killed twice", l.Space.Format(id))
		}
	}
	if len(l.Kill) == len(known) {
		return errors.New("all nodes are killed: somebody must be left to tell of it")
	}
	if l.From != nil {
		switch {
		case !known[*l.From]:
			return fmt.Errorf("node %s cannot ask: there is none", l.Space.Format(*l.From))
		case slices.Contains(l.Kill, *l.From):
			return fmt.Errorf("node %s cannot ask: it is killed before", l.Space.Format(*l.From))
		}
	}
	return nil
}

// Account is what happened in a Lesson.
type Account struct {
	Asker    Position // of the lookup; meaningless without one
	Found    bool     // the lookup found the owner
	Owner    LessonNode
	Path     []Position // from the asker to the owner
	Messages int        // that the query took: forwardings
	Before   []Known    // as it began, those who are to join among them
	Nodes    []Known    // at the end, without those killed; in the order of the ring
	Steps    []Step
	Settled  bool // the ring was in order at the end
}

// Known is what a node knows.
type Known struct {
	Node        LessonNode
	Absent      bool // it is yet to join
	Predecessor *Position
	Successors  []Position
	Shortcuts   []Position
}

// Step is one thing that a node did, or that happened to it.
type Step struct {
	At    time.Duration // since the lesson began
	Node  Position
	Event string    // what it does, a sentence without its subject
	To    *Position // whom it sends something
	Hop   int       // the number of the query's message, from 1; 0 = it is none
	Lost  bool      // nobody is there to get it
	Dies  bool
	Joins bool
	Now   *Known // what it knows from then on, where that changed
}
