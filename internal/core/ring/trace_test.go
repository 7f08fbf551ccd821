package ring

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestTraces replays testdata/trace/*: one step at a time, with the messages that it takes and the changes that it makes. Time stands still but for
// "run"; messages are delivered at once, in order.
func TestTraces(t *testing.T) {
	datadriven.Walk(t, "testdata/trace", func(t *testing.T, path string) {
		var s *traced
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "ring" {
				s = newTraced(t, d)
				return s.state()
			}
			return s.do(t, d)
		})
	})
}

type traced struct {
	nodes map[Host]*Node
	space Space
	cfg   Config
	now   time.Duration
	out   strings.Builder
	last  map[Host]string
	queue []parcel
	mute  bool // don't write messages
}

type parcel struct {
	to, from Host
	m        Message
}

func newTraced(t *testing.T, d *datadriven.TestData) *traced {
	var width, r int
	d.ScanArgs(t, "bits", &width)
	d.ScanArgs(t, "successors", &r)
	routing := Successor
	if d.HasArg("fingers") {
		routing = Fingers
	}
	s := &traced{nodes: map[Host]*Node{}, space: Space{Bits: width}, last: map[Host]string{}}
	s.cfg = Config{Space: s.space, Successors: r, Routing: routing}
	var all []Ref
	for _, h := range hostsArg(t, d, "nodes") {
		all = append(all, s.add(t, h).pos[0].self)
	}
	for _, n := range s.list() {
		n.Ideal(0, all)
	}
	s.settle()
	s.out.Reset()
	return s
}

func hostsArg(t *testing.T, d *datadriven.TestData, key string) []Host {
	var hosts []Host
	for _, a := range d.CmdArgs {
		if a.Key != key {
			continue
		}
		for _, v := range a.Vals {
			var h Host
			if _, err := fmt.Sscan(v, &h); err != nil {
				t.Fatal(err)
			}
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func (s *traced) add(t *testing.T, h Host) *Node {
	cfg := s.cfg
	cfg.Self, cfg.Positions, cfg.Rand = h, []ID{number(t, s.space, uint64(h))}, newTestNet(t, uint64(h), Config{}).rand
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.nodes[h] = n
	return n
}

func (s *traced) list() []*Node { return (&testNet{nodes: s.nodes}).live() }

// do carries out one command: stabilize N | notify from=A to=B | expire N | join N via=A | kill N... | run D | lookup from=A key=K | state.
func (s *traced) do(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	switch d.Cmd {
	case "stabilize":
		s.nodes[hostsArg(t, d, "node")[0]].Stabilize(s.now, 0)
	case "expire":
		s.nodes[hostsArg(t, d, "node")[0]].Expire(s.now, 0)
	case "notify":
		from := hostsArg(t, d, "from")[0]
		s.nodes[hostsArg(t, d, "to")[0]].Receive(s.now, from, &Message{Kind: Notify, To: number(t, s.space, uint64(hostsArg(t, d, "to")[0])), From: number(t, s.space, uint64(from))})
	case "join":
		via := hostsArg(t, d, "via")[0]
		if err := s.add(t, hostsArg(t, d, "node")[0]).Join(s.now, s.nodes[via].pos[0].self); err != nil {
			t.Fatal(err)
		}
	case "kill":
		for _, h := range hostsArg(t, d, "nodes") {
			delete(s.nodes, h)
			delete(s.last, h)
		}
	case "run":
		var text string
		d.ScanArgs(t, "for", &text)
		length, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		s.run(length)
	case "lookup":
		var key uint64
		d.ScanArgs(t, "key", &key)
		s.nodes[hostsArg(t, d, "from")[0]].Lookup(s.now, number(t, s.space, key), 0, Traced)
	case "state":
		return s.state()
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	s.settle()
	if errs := CheckRing(s.list()); len(errs) > 0 {
		fmt.Fprintln(&s.out, errs)
	}
	return s.out.String()
}

// settle delivers everything, and writes what changes.
func (s *traced) settle() {
	for {
		for _, n := range s.list() {
			s.drain(n)
		}
		if len(s.queue) == 0 {
			return
		}
		p := s.queue[0]
		s.queue = s.queue[1:]
		if n := s.nodes[p.to]; n != nil {
			n.Receive(s.now, p.from, &p.m)
		}
	}
}

func (s *traced) drain(n *Node) {
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		switch a.Kind {
		case Send:
			s.queue = append(s.queue, parcel{a.To, n.cfg.Self, a.Message})
			if !s.mute {
				fmt.Fprintf(&s.out, "%d -> %d %s%s\n", n.cfg.Self, a.To, a.Message.Kind, s.content(a.Message))
			}
		case LookupDone:
			fmt.Fprintf(&s.out, "owner %d, path %v, messages %d\n", s.space.Number(a.Result.Owner.ID), numbers(s.space, a.Result.Path), a.Result.Hops)
		case Joined:
			fmt.Fprintf(&s.out, "%d has joined\n", n.cfg.Self)
		}
	}
	if now := s.line(n); now != s.last[n.cfg.Self] {
		s.last[n.cfg.Self] = now
		fmt.Fprintf(&s.out, "  %s\n", now)
	}
}

func (s *traced) content(m Message) string {
	switch m.Kind {
	case State:
		pred := "-"
		if m.HasPred {
			pred = s.space.Format(m.Pred.ID)
		}
		return fmt.Sprintf(" pred=%s succ=%v", pred, numbers(s.space, m.List))
	case Hint:
		return fmt.Sprintf(" %d", s.space.Number(m.Ref.ID))
	case Lookup, FindPredecessor:
		return fmt.Sprintf(" key=%d", s.space.Number(m.Key))
	}
	return ""
}

func (s *traced) line(n *Node) string {
	p, pred := n.pos[0], "-"
	if p.hasPred {
		pred = s.space.Format(p.pred.ID)
	}
	line := fmt.Sprintf("%d: pred=%s succ=%v", n.cfg.Self, pred, numbers(s.space, p.succ))
	if len(p.fingers) > 0 {
		line += fmt.Sprintf(" fingers=%v", numbers(s.space, p.fingers))
	}
	if p.status != Idle {
		line += " " + p.status.String()
	}
	return line
}

func (s *traced) state() string {
	var lines []string
	for _, n := range s.list() {
		lines = append(lines, s.line(n))
	}
	return strings.Join(lines, "\n") + "\n"
}

// run lets time pass, with messages delivered at once, and writes the changes alone.
func (s *traced) run(d time.Duration) {
	s.mute = true
	defer func() { s.mute = false }()
	for end := s.now + d; ; {
		next := slices.MinFunc(s.list(), func(a, b *Node) int { return int(a.NextTick() - b.NextTick()) })
		if next.NextTick() > end {
			s.now = end
			return
		}
		s.now = max(s.now, next.NextTick())
		next.Tick(s.now)
		s.settle()
	}
}
