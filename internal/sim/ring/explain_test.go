package ring

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// lesson makes a ring of bits with nodes at numbers.
func lesson(t testing.TB, bits int, numbers ...uint64) Lesson {
	l := Lesson{Space: Space{Bits: bits}}
	for _, n := range numbers {
		l.Nodes = append(l.Nodes, LessonNode{At: at(t, l.Space, n)})
	}
	return l
}

func at(t testing.TB, s Space, n uint64) Position {
	id, err := s.ID(n)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func numbers(s Space, ids []Position) (out []uint64) {
	for _, id := range ids {
		out = append(out, s.Number(id))
	}
	return out
}

// explain plays a lesson that must make sense and end in order.
func explain(t testing.TB, l Lesson) *Account {
	t.Helper()
	a, err := Explain(l)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Settled {
		t.Fatal("the ring is not in order")
	}
	return a
}

var course = []uint64{1, 12, 13, 25, 32, 40, 48, 60}

// "Closest is the immediate successor of the key. Key 51 -> peer 60. Key 60 -> peer 60. Key 61 -> peer 1."
func TestOwners(t *testing.T) {
	for key, want := range map[uint64]uint64{51: 60, 60: 60, 61: 1} {
		l := lesson(t, 6, course...)
		id := at(t, l.Space, key)
		l.Key = &id
		if got := l.Space.Number(explain(t, l).Owner.At); got != want {
			t.Errorf("key %d belongs to %d, want %d", key, got, want)
		}
	}
}

// "Peer 12 asking for key 53 sends it 12-13-25-32-40-48-60: 6 messages." With shortcuts 3 messages at most.
func TestPaths(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(l *Lesson)
		want []uint64
	}{
		{"successors", func(*Lesson) {}, []uint64{12, 13, 25, 32, 40, 48, 60}},
		{"fingers", func(l *Lesson) { l.Shortcuts = true }, []uint64{12, 48, 60}},
		{"links", func(l *Lesson) {
			l.Links = []Link{{at(t, l.Space, 12), at(t, l.Space, 32)}, {at(t, l.Space, 32), at(t, l.Space, 48)}}
		}, []uint64{12, 32, 48, 60}},
	} {
		l := lesson(t, 6, course...)
		from, key := at(t, l.Space, 12), at(t, l.Space, 53)
		l.From, l.Key = &from, &key
		c.set(&l)
		a := explain(t, l)
		if diff := cmp.Diff(c.want, numbers(l.Space, a.Path)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if a.Messages != len(c.want)-1 {
			t.Errorf("%s: %d messages", c.name, a.Messages)
		}
		hops := 0
		for _, s := range a.Steps {
			if s.Hop > 0 {
				if hops++; s.Hop != hops || l.Space.Number(s.Node) != c.want[hops-1] || l.Space.Number(*s.To) != c.want[hops] {
					t.Errorf("%s: hop %d is told as %+v", c.name, hops, s)
				}
			}
		}
		if hops != a.Messages {
			t.Errorf("%s: %d hops are told of %d", c.name, hops, a.Messages)
		}
	}
}

// "Peer 5 leaves abruptly; peer 4 detects it, makes 8 its immediate successor, asks 8 for its immediate successor (10), and makes 10 its second."
func TestKill(t *testing.T) {
	l := lesson(t, 4, 1, 3, 4, 5, 8, 10, 12, 15)
	l.Kill = []Position{at(t, l.Space, 5)}
	a := explain(t, l)
	var told []string
	for _, s := range a.Steps {
		if n := l.Space.Number(s.Node); n == 4 || n == 8 && s.To != nil && l.Space.Number(*s.To) == 4 {
			told = append(told, fmt.Sprintf("%d %s", n, s.Event))
		}
	}
	text := strings.Join(told, "\n")
	for _, want := range []string{", which does not answer\n", "4 gives up 5 and makes 8 its immediate successor\n", "4 asks 8 for its predecessor and successors\n",
		"8 answers 4: predecessor 5, successors 10, 12\n", "4 makes 10 its second successor"} {
		i := strings.Index(text, want)
		if i < 0 {
			t.Fatalf("then nobody tells %q:\n%s\nof\n%s", want, text, strings.Join(told, "\n"))
		}
		text = text[i+len(want):]
	}
	for _, k := range a.Nodes {
		if l.Space.Number(k.Node.At) == 4 {
			if diff := cmp.Diff([]uint64{8, 10}, numbers(l.Space, k.Successors)); diff != "" {
				t.Errorf("4's successors: %s", diff)
			}
		}
	}
}

// Whatever the ring: a key's owner is its successor among those that live, after joins and after any failures that leave each node a living
// successor; and the ring is in order again.
func TestAnyLesson(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bits := rapid.IntRange(5, 12).Draw(rt, "bits")
		places := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 1<<bits-1), 2, 10, rapid.ID).Draw(rt, "places")
		l := lesson(t, bits, places...)
		l.Successors = rapid.IntRange(2, 4).Draw(rt, "successors")
		l.Shortcuts = rapid.Bool().Draw(rt, "shortcuts")
		if n := len(l.Nodes); rapid.Bool().Draw(rt, "join") {
			l.Join = []Position{l.Nodes[n-1].At}
			l.Nodes = l.Nodes[:n-1]
		}
		living := append([]uint64{}, places...)
		if len(l.Nodes) > 1 && rapid.Bool().Draw(rt, "kill") { // one failure: a list of two survives it
			dead := rapid.IntRange(0, len(l.Nodes)-1).Draw(rt, "who")
			l.Kill = []Position{l.Nodes[dead].At}
			living = append(living[:dead], living[dead+1:]...)
		}
		number := rapid.Uint64Range(0, 1<<bits-1).Draw(rt, "key")
		key := at(t, l.Space, number)
		l.Key = &key
		want, best := uint64(0), uint64(1)<<63
		for _, n := range living {
			if d := (n - number) & (1<<bits - 1); d < best {
				want, best = n, d
			}
		}
		a, err := Explain(l)
		if err != nil {
			rt.Fatal(err)
		}
		if !a.Settled || l.Space.Number(a.Owner.At) != want {
			rt.Fatalf("settled %t, key %d belongs to %s, want %d", a.Settled, number, l.Space.Format(a.Owner.At), want)
		}
		if a.Messages != len(a.Path)-1 || a.Path[len(a.Path)-1] != a.Owner.At {
			rt.Fatalf("%d messages along %v to %v", a.Messages, numbers(l.Space, a.Path), a.Owner)
		}
	})
}

func TestParsePosition(t *testing.T) {
	wide := strings.Repeat("0", 38) + "ab"
	for _, c := range []struct {
		bits     int
		in, want string // want "" = an error
	}{
		{6, "63", "63"}, {6, "64", ""}, {6, "-1", ""}, {6, "x", ""}, {6, "", ""}, {6, "99999999999999999999999", ""},
		{64, "18446744073709551615", "18446744073709551615"}, {160, wide, wide}, {160, "ab", wide}, {160, wide + "0", ""}, {160, "xy", ""}, {160, "-a", ""},
		{100, wide, ""}, {100, "f000000000000000000000000000000000000000", "f000000000000000000000000000000000000000"},
	} {
		s := Space{Bits: c.bits}
		id, err := ParsePosition(s, c.in)
		if c.want == "" && err == nil || c.want != "" && (err != nil || s.Format(id) != c.want) {
			t.Errorf("%d bits, %q: %s, %v", c.bits, c.in, s.Format(id), err)
		}
	}
}

// Outside of what the proof assumes, here that each node keeps a living successor, "the demand is re-convergence to one ring after quiescence".
func TestThreeNeighboursFail(t *testing.T) {
	l := lesson(t, 6, course...)
	for _, n := range []uint64{13, 25, 32} {
		l.Kill = append(l.Kill, at(t, l.Space, n))
	}
	if a := explain(t, l); len(a.Nodes) != len(course)-3 {
		t.Errorf("%d nodes are left", len(a.Nodes))
	}
}

// All of those killed fail at one moment, with messages between them under way.
func TestMessagesOfTheDead(t *testing.T) {
	l := lesson(t, 6, course...)
	l.Successors, l.Shortcuts = 3, true
	l.Join = []Position{at(t, l.Space, 2)}
	l.Kill = []Position{at(t, l.Space, 48), at(t, l.Space, 60)}
	a := explain(t, l)
	if !a.Settled || len(a.Nodes) != len(course)-1 {
		t.Errorf("settled %t, %d nodes are left", a.Settled, len(a.Nodes))
	}
	died := false
	for _, s := range a.Steps {
		if died = died || s.Dies; died && !s.Dies && slices.Contains(l.Kill, s.Node) {
			t.Errorf("%v: %s, which has failed, %s", s.At, l.Space.Format(s.Node), s.Event)
		}
	}
}

func TestValidateLesson(t *testing.T) {
	for _, c := range []struct {
		change func(l *Lesson)
		says   string
	}{
		{func(l *Lesson) { l.Nodes = nil }, "no nodes"},
		{func(l *Lesson) { l.Nodes = append(l.Nodes, l.Nodes[0]) }, "node 1 is listed twice"},
		{func(l *Lesson) { l.Space.Bits = 161 }, "161 bits"},
		{func(l *Lesson) { l.Successors = -1 }, "-1 successors"},
		{func(l *Lesson) { l.Links = []Link{{l.Nodes[0].At, l.Nodes[0].At}} }, "from a node to itself"},
		{func(l *Lesson) { l.Kill = []Position{l.Nodes[0].At, l.Nodes[0].At} }, "node 1 is killed twice"},
		{func(l *Lesson) {
			l.Shortcuts, l.Links = true, []Link{{l.Nodes[0].At, l.Nodes[1].At}}
		}, "give one of them"},
		{func(l *Lesson) {
			for i := range uint64(300) {
				l.Join = append(l.Join, at(t, Space{Bits: 60}, i))
			}
		}, "too many to explain"},
	} {
		l := lesson(t, 6, course...)
		c.change(&l)
		if _, err := Explain(l); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}
