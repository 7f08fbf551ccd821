package ring

import (
	"fmt"
	"slices"
	"strings"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// recorder makes steps of what a network does. A healthy ring talks all the time, so only what matters is told: what changed what
// a node knows, the messages that led to it, what was sent to the dead, and the query.
type recorder struct {
	stage   *stage
	all     []moment
	cause   int    // of what is sent now: the moment that led to it + 1; 0 = a timer
	was     Known  // the node before the input
	asking  bool   // the query has begun
	queries int    // messages of it so far
	query   uint64 // its number at the asker
}

// moment is a step that may be told.
type moment struct {
	Step
	cause int // the moment that led to it + 1
	tell  bool
}

// note tells a step of host h.
func (t *recorder) note(h core.Host, s Step) {
	s.At, s.Node = t.stage.net.clock(), t.stage.nodes[h].At
	t.all = append(t.all, moment{Step: s, tell: true})
}

func (t *recorder) before(h, _ core.Host, _ *core.Message, cause int) {
	t.cause, t.was = cause, t.stage.known(h)
}

func (t *recorder) after(h core.Host) {
	now := t.stage.known(h)
	event := t.stage.change(&t.was, &now)
	if event == "" {
		return
	}
	for at := t.cause; at > 0; at = t.all[at-1].cause {
		t.all[at-1].tell = true
	}
	t.note(h, Step{Event: event, Now: &now})
}

func (t *recorder) sent(from, to core.Host, m *core.Message) int {
	s := t.stage
	target := s.nodes[to].At
	step := Step{At: s.net.clock(), Node: s.nodes[from].At, To: &target}
	tell := false
	name, key := s.name(target), s.lesson.Space.Format(m.Key)
	switch m.Kind {
	case core.GetState:
		step.Event = fmt.Sprintf("asks %s for its predecessor and successors", name)
	case core.State:
		step.Event = fmt.Sprintf("answers %s: %s", name, s.state(m))
	case core.Busy:
		step.Event = fmt.Sprintf("answers %s: busy, try later", name)
	case core.Notify:
		step.Event = fmt.Sprintf("tells %s: I may be your predecessor", name)
	case core.Ping:
		step.Event = fmt.Sprintf("pings %s", name)
	case core.Pong:
		step.Event = fmt.Sprintf("answers %s: I am alive", name)
	case core.FindPredecessor:
		step.Event = fmt.Sprintf("asks %s who comes before %s", name, s.name(m.Key))
	case core.Hint:
		step.Event = fmt.Sprintf("answers %s: %s is the closest that I know", name, s.name(m.Ref.ID))
	case core.Lookup:
		step.Event = fmt.Sprintf("passes the query for key %s on to %s", key, name)
		if tell = t.asking && m.Trace; tell {
			t.query = m.Seq
			t.queries++
			step.Hop = t.queries
		}
	case core.Found:
		step.Event = fmt.Sprintf("answers %s: that key is mine", name)
		tell = t.asking && m.Seq == t.query
	default: // acknowledgements and news change nothing by themselves
		step.Event = fmt.Sprintf("sends %s %s", name, strings.ReplaceAll(m.Kind.String(), "_", " "))
	}
	t.all = append(t.all, moment{Step: step, cause: t.cause, tell: tell})
	return len(t.all)
}

func (t *recorder) lost(from, to core.Host, _ *core.Message, cause int) {
	m := &t.all[cause-1]
	m.Lost = true
	m.Event += ", which does not answer"
	if !t.stage.net.alive(from) { // both failed at the same moment
		m.tell = false
		return
	}
	// A node that has given another one up still probes it now and then, lest it was only cut off. That is no part of a lesson.
	k, id := t.stage.known(from), t.stage.nodes[to].At
	m.tell = k.Predecessor != nil && *k.Predecessor == id || slices.Contains(k.Successors, id) || slices.Contains(k.Shortcuts, id)
}

// steps returns what is to be told, in the order of time.
func (t *recorder) steps() []Step {
	var out []Step
	for _, m := range t.all {
		if m.tell {
			out = append(out, m.Step)
		}
	}
	slices.SortStableFunc(out, func(a, b Step) int { return int(a.At - b.At) })
	return out
}

// state tells what a State message says.
func (s *stage) state(m *core.Message) string {
	pred := "no predecessor"
	if m.HasPred {
		pred = "predecessor " + s.name(m.Pred.ID)
	}
	var list []Position
	for _, ref := range m.List {
		list = append(list, ref.ID)
	}
	return pred + ", " + s.successors(list)
}

func (s *stage) successors(list []Position) string {
	switch len(list) {
	case 0:
		return "no successor"
	case 1:
		return "successor " + s.name(list[0])
	}
	return "successors " + s.list(list)
}

// list lists names.
func (s *stage) list(list []Position) string {
	var names []string
	for _, id := range list {
		names = append(names, s.name(id))
	}
	return strings.Join(names, ", ")
}

// change tells what a node knows now that it did not before, and the other way around; "" when nothing changed.
func (s *stage) change(was, now *Known) string {
	var parts []string
	for _, id := range was.Successors {
		if !slices.Contains(now.Successors, id) && !s.net.alive(s.host(id)) {
			parts = append(parts, "gives up "+s.name(id))
		}
	}
	for i, id := range now.Successors {
		if i >= len(was.Successors) || was.Successors[i] != id {
			parts = append(parts, fmt.Sprintf("makes %s its %s", s.name(id), ordinal(i)))
		}
	}
	if len(now.Successors) == 0 && len(was.Successors) > 0 {
		parts = append(parts, "knows no successor any more")
	}
	switch {
	case now.Predecessor == nil && was.Predecessor != nil:
		parts = append(parts, fmt.Sprintf("gives up its predecessor %s", s.name(*was.Predecessor)))
	case now.Predecessor != nil && (was.Predecessor == nil || *was.Predecessor != *now.Predecessor):
		parts = append(parts, fmt.Sprintf("makes %s its predecessor", s.name(*now.Predecessor)))
	}
	if !slices.Equal(was.Shortcuts, now.Shortcuts) {
		if len(now.Shortcuts) == 0 {
			parts = append(parts, "has no shortcut any more")
		} else {
			parts = append(parts, "has the shortcuts "+s.list(now.Shortcuts))
		}
	}
	if len(parts) == 0 && !slices.Equal(was.Successors, now.Successors) {
		parts = append(parts, "lists the "+s.successors(now.Successors))
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}

// ordinal names the place i of a successor list.
func ordinal(i int) string {
	names := []string{"immediate", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"}
	if i < len(names) {
		return names[i] + " successor"
	}
	return fmt.Sprintf("successor number %d", i+1)
}
