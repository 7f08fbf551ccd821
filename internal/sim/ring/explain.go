package ring

import (
	"errors"
	"fmt"
	"slices"
	"time"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// How a lesson goes: messages take lessonLatency, and repair gets lessonPatience.
const (
	lessonLatency  = 10 * time.Millisecond
	lessonPatience = 15 * time.Minute
)

// stage plays a lesson.
type stage struct {
	lesson  Lesson
	net     *network
	nodes   []LessonNode // by host
	tracer  recorder
	account Account
	result  *core.Result
}

// Explain plays a lesson with the code of live rings and tells what happened.
func Explain(lesson Lesson) (*Account, error) {
	if err := lesson.Validate(); err != nil {
		return nil, err
	}
	if lesson.Successors == 0 {
		lesson.Successors = 2
	}
	s := &stage{lesson: lesson}
	s.net = &network{space: lesson.Space, latency: lessonLatency, done: func(_ core.Host, r core.Result) { s.result = &r }}
	s.tracer.stage = s
	if err := s.build(); err != nil {
		return nil, err
	}
	s.net.trace = &s.tracer
	for _, id := range lesson.Join {
		if err := s.join(id); err != nil {
			return nil, err
		}
	}
	s.kill()
	s.account.Settled = s.settle()
	if err := s.ask(); err != nil {
		return nil, err
	}
	for _, ref := range s.net.ordered() {
		s.account.Nodes = append(s.account.Nodes, s.known(ref.Host))
	}
	s.account.Steps = s.tracer.steps()
	return &s.account, nil
}

// build makes the ring as if it had long been quiet.
func (s *stage) build() error {
	for _, n := range s.lesson.Nodes {
		if err := s.add(n); err != nil {
			return err
		}
	}
	refs := s.net.ordered()
	for h := range s.net.hosts {
		s.net.input(core.Host(h), func(n *core.Node, now time.Duration) { n.Ideal(now, refs) })
	}
	for _, ref := range refs {
		s.account.Before = append(s.account.Before, s.known(ref.Host))
	}
	for _, id := range s.lesson.Join {
		s.account.Before = append(s.account.Before, Known{Node: LessonNode{At: id}, Absent: true})
	}
	slices.SortFunc(s.account.Before, func(a, b Known) int { return a.Node.At.Compare(b.Node.At) })
	return nil
}

// add makes one node.
func (s *stage) add(n LessonNode) error {
	cfg := core.Config{Successors: s.lesson.Successors, Routing: core.Successor, Incarnation: 1}
	switch {
	case s.lesson.Shortcuts:
		cfg.Routing = core.Fingers
	case len(s.lesson.Links) > 0:
		cfg.Routing = core.Links
		for _, link := range s.lesson.Links {
			if link.From == n.At {
				to := slices.IndexFunc(s.lesson.Nodes, func(n LessonNode) bool { return n.At == link.To })
				cfg.Links = append(cfg.Links, core.Ref{ID: link.To, Host: core.Host(to)})
			}
		}
	}
	_, err := s.net.add(cfg, []core.ID{n.At})
	s.nodes = append(s.nodes, n)
	return err
}

// join lets one node come in through the first that is there.
func (s *stage) join(id Position) error {
	if err := s.add(LessonNode{At: id}); err != nil {
		return err
	}
	h, via := core.Host(len(s.nodes)-1), core.Ref{ID: s.nodes[0].At}
	s.tracer.note(h, Step{Event: "comes, and knows only " + s.name(via.ID), Joins: true})
	var err error
	s.net.input(h, func(n *core.Node, now time.Duration) { err = n.Join(now, via) })
	if err == nil && !s.settle() {
		err = fmt.Errorf("node %s found no place in %v", s.name(id), lessonPatience)
	}
	return err
}

// kill ends nodes without a word.
func (s *stage) kill() {
	for _, id := range s.lesson.Kill {
		h := s.host(id)
		s.net.fail(h)
		s.tracer.note(h, Step{Event: "fails without a word", Dies: true})
	}
}

// settle runs until everybody knows what they should, and reports whether they do.
func (s *stage) settle() bool {
	const look = 10 * time.Millisecond
	for end := s.net.now + lessonPatience.Microseconds(); !s.inOrder(); {
		if s.net.now > end {
			return false
		}
		s.net.until(s.net.now + look.Microseconds())
	}
	return true
}

// inOrder compares what nodes know with what they should.
func (s *stage) inOrder() bool {
	refs := s.net.ordered()
	n := len(refs)
	for i, ref := range refs {
		k := s.known(ref.Host)
		if n > 1 && (k.Predecessor == nil || *k.Predecessor != refs[(i+n-1)%n].ID) || len(k.Successors) != min(s.lesson.Successors, n-1) {
			return false
		}
		for j, id := range k.Successors {
			if id != refs[(i+1+j)%n].ID {
				return false
			}
		}
		if slices.ContainsFunc(k.Shortcuts, func(id Position) bool { return len(s.lesson.Links) == 0 && !s.net.alive(s.host(id)) }) {
			return false
		}
	}
	return true
}

// ask looks the key up.
func (s *stage) ask() error {
	if s.lesson.Key == nil {
		return nil
	}
	key := *s.lesson.Key
	asker := s.asker()
	s.account.Asker = s.nodes[asker].At
	s.tracer.asking = true
	s.net.input(asker, func(n *core.Node, now time.Duration) { n.Lookup(now, key, 1, core.Traced) })
	for end := s.net.now + lessonPatience.Microseconds(); s.result == nil && s.net.now < end; {
		s.net.until(s.net.now + lessonLatency.Microseconds())
	}
	switch r := s.result; {
	case r == nil:
		return errors.New("the query was not answered")
	case r.Err != nil:
		return fmt.Errorf("looking up key %s: %w", s.lesson.Space.Format(key), r.Err)
	default:
		s.account.Found, s.account.Owner, s.account.Messages = true, s.nodes[r.Owner.Host], r.Hops
		for _, ref := range r.Path {
			s.account.Path = append(s.account.Path, ref.ID)
		}
	}
	return nil
}

// asker is the node that looks up: the one that was named, or the first that lives.
func (s *stage) asker() core.Host {
	if s.lesson.From != nil {
		return s.host(*s.lesson.From)
	}
	for h := range s.nodes {
		if s.net.alive(core.Host(h)) {
			return core.Host(h)
		}
	}
	panic("ring: a lesson without a living node") // validate refuses those
}

// host is the number of the node at a position.
func (s *stage) host(id Position) core.Host {
	return core.Host(slices.IndexFunc(s.nodes, func(n LessonNode) bool { return n.At == id }))
}

// name is how a node is called.
func (s *stage) name(id Position) string {
	if h := slices.IndexFunc(s.nodes, func(n LessonNode) bool { return n.At == id }); h >= 0 && s.nodes[h].Name != "" {
		return s.nodes[h].Name
	}
	return s.lesson.Space.Format(id)
}

// known is what a node knows at this moment.
func (s *stage) known(h core.Host) Known {
	k := Known{Node: s.nodes[h]}
	p := s.net.hosts[h].node.View().Positions[0]
	if p.HasPredecessor {
		k.Predecessor = &p.Predecessor.ID
	}
	for _, ref := range p.Successors {
		k.Successors = append(k.Successors, ref.ID)
	}
	for _, ref := range p.Fingers {
		k.Shortcuts = append(k.Shortcuts, ref.ID)
	}
	for _, link := range s.lesson.Links {
		if link.From == k.Node.At {
			k.Shortcuts = append(k.Shortcuts, link.To)
		}
	}
	return k
}
