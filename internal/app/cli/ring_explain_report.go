package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	simring "github.com/eddy-p2p/eddy/internal/sim/ring"
)

// ringNumber is a position in JSON: a number up to 53 bits, which any reader of JSON keeps whole, else a string.
type ringNumber struct {
	text   string
	number bool
}

// MarshalJSON implements json.Marshaler.
func (n ringNumber) MarshalJSON() ([]byte, error) {
	if n.number {
		return []byte(n.text), nil
	}
	return []byte(`"` + n.text + `"`), nil // digits, of whatever base
}

// explainDoc is the JSON document of `eddy ring explain`.
type explainDoc struct {
	Bits      int           `json:"bits"`
	Key       *ringNumber   `json:"key"`
	KeyName   *string       `json:"key_name"` // what --name said
	From      *ringNumber   `json:"from"`
	Owner     *ringNumber   `json:"owner"`
	OwnerName *string       `json:"owner_name"`
	Path      []ringNumber  `json:"path"`
	Messages  *int          `json:"messages"`
	Nodes     []explainNode `json:"nodes"`
	Steps     []explainStep `json:"steps"`
	Settled   bool          `json:"settled"` // the ring is in order at the end
}

type explainNode struct {
	ID          ringNumber   `json:"id"`
	Name        *string      `json:"name"`
	Predecessor *ringNumber  `json:"predecessor"`
	Successors  []ringNumber `json:"successors"`
	Shortcuts   []ringNumber `json:"shortcuts"`
}

type explainStep struct {
	At    float64     `json:"t"` // seconds since the lesson began
	Node  ringNumber  `json:"node"`
	Event string      `json:"event"`
	To    *ringNumber `json:"to"` // of a message
	Lost  bool        `json:"lost"`
}

func (x *ringExplain) number(id simring.Position) ringNumber {
	return ringNumber{x.format(id), x.bits <= 53}
}

func (x *ringExplain) numbers(ids []simring.Position) []ringNumber {
	out := []ringNumber{}
	for _, id := range ids {
		out = append(out, x.number(id))
	}
	return out
}

func (x *ringExplain) maybe(id *simring.Position) *ringNumber {
	if id == nil {
		return nil
	}
	n := x.number(*id)
	return &n
}

// format writes a position as its ring does: decimal, or hexadecimal beyond 64 bits.
func (x *ringExplain) format(id simring.Position) string { return x.lesson.Space.Format(id) }

func (x *ringExplain) document(a *simring.Account) *explainDoc {
	d := &explainDoc{Bits: x.bits, Key: x.maybe(x.lesson.Key), KeyName: known(x.name), Path: x.numbers(a.Path),
		Nodes: []explainNode{}, Steps: []explainStep{}, Settled: a.Settled}
	if a.Found {
		from, owner := x.number(a.Asker), x.number(a.Owner.At)
		name := x.label(a.Owner.At)
		d.From, d.Owner, d.OwnerName, d.Messages = &from, &owner, &name, &a.Messages
	}
	for _, k := range a.Nodes {
		d.Nodes = append(d.Nodes, explainNode{x.number(k.Node.At), known(k.Node.Name), x.maybe(k.Predecessor), x.numbers(k.Successors), x.numbers(k.Shortcuts)})
	}
	for _, s := range a.Steps {
		d.Steps = append(d.Steps, explainStep{s.At.Seconds(), x.number(s.Node), s.Event, x.maybe(s.To), s.Lost})
	}
	return d
}

// label is how a node is called.
func (x *ringExplain) label(id simring.Position) string {
	for _, n := range x.lesson.Nodes {
		if n.At == id && n.Name != "" {
			return n.Name
		}
	}
	text := x.format(id)
	if x.bits > 64 { // the first digits tell a few nodes apart
		return text[:6] + "…"
	}
	return text
}

func (x *ringExplain) labels(ids []simring.Position) string {
	var out []string
	for _, id := range ids {
		out = append(out, x.label(id))
	}
	return strings.Join(out, ", ")
}

// text is the whole answer for people: the ring, what was asked, what happened, and who knows whom.
func (x *ringExplain) text(a *simring.Account) string {
	var b strings.Builder
	columns, lines := 80, 24
	if out, ok := x.inv.Out.(*os.File); ok {
		if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 0 {
			columns, lines = min(w, 120), min(max(h-2, 16), 36)
		}
	}
	b.WriteString(x.panel(a).Terminal(columns, lines) + "\n")
	if answer := x.answer(a); answer != "" {
		b.WriteString(answer + "\n\n")
	}
	if len(a.Steps) > 0 {
		for _, s := range a.Steps {
			fmt.Fprintf(&b, "%9.3f s  %s %s\n", s.At.Seconds(), x.label(s.Node), s.Event)
		}
		b.WriteString("\n")
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "node\tpredecessor\tsuccessors\tshortcuts")
	for _, k := range a.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.named(k.Node), x.orNone(k.Predecessor), dash(x.labels(k.Successors)), dash(x.labels(k.Shortcuts)))
	}
	_ = w.Flush() // into memory
	if !a.Settled {
		b.WriteString("\nThe ring is not in order after 15 minutes of repair: too many neighbours failed at once. A longer list (--successors) survives more.\n")
	}
	return b.String()
}

// named is a node with its name and position.
func (x *ringExplain) named(n simring.LessonNode) string {
	if n.Name == "" {
		return x.label(n.At)
	}
	return n.Name + " = " + x.format(n.At)
}

func (x *ringExplain) orNone(id *simring.Position) string {
	if id == nil {
		return "-"
	}
	return x.label(*id)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// keyLine tells which key is asked for, and from where it is.
func (x *ringExplain) keyLine() string {
	switch {
	case x.lesson.Key == nil:
		return ""
	case x.given("name"):
		return fmt.Sprintf("key hash(%q) = %s", x.name, x.format(*x.lesson.Key))
	}
	return "key " + x.format(*x.lesson.Key)
}

// answer tells in one sentence what the query came to; "" without one.
func (x *ringExplain) answer(a *simring.Account) string {
	if !a.Found {
		return x.keyLine()
	}
	return fmt.Sprintf("%s\nowner      %s\npath       %s\nmessages   %d", strings.Replace(x.keyLine(), "key ", "key        ", 1), x.label(a.Owner.At),
		strings.ReplaceAll(x.labels(a.Path), ", ", " -> "), a.Messages)
}

// faintArrows is up to how many nodes a figure shows everybody's shortcuts; beyond that they would hide the ring.
const faintArrows = 16

// panel draws the ring as it is at the end, with the path of the query.
func (x *ringExplain) panel(a *simring.Account) plot.Ring {
	r := plot.Ring{Title: x.title()}
	for _, k := range a.Before {
		n := plot.RingNode{At: simring.Around(k.Node.At), Label: x.label(k.Node.At)}
		switch {
		case slices.Contains(x.lesson.Kill, k.Node.At):
			n.Role = plot.RingDead
		case a.Found && k.Node.At == a.Owner.At:
			n.Role = plot.RingOwner
		case slices.Contains(a.Path, k.Node.At):
			n.Role = plot.RingPath
		}
		r.Nodes = append(r.Nodes, n)
	}
	for _, k := range a.Nodes {
		for _, to := range k.Shortcuts {
			if len(a.Nodes) <= faintArrows {
				r.Arrows = append(r.Arrows, plot.RingArrow{From: simring.Around(k.Node.At), To: simring.Around(to), Faint: true})
			}
		}
	}
	for i := 1; i < len(a.Path); i++ {
		r.Arrows = append(r.Arrows, plot.RingArrow{From: simring.Around(a.Path[i-1]), To: simring.Around(a.Path[i]), Label: fmt.Sprint(i)})
	}
	if x.lesson.Key != nil {
		r.Marks = []plot.RingMark{{At: simring.Around(*x.lesson.Key), Label: "key " + x.label(*x.lesson.Key)}}
	}
	r.Notes = x.notes(a)
	return r
}

func (x *ringExplain) title() string {
	title := fmt.Sprintf("A ring of %d bits", x.bits)
	if len(x.lesson.Kill) > 0 {
		title += ", " + x.labels(x.lesson.Kill) + " failed"
	}
	return title
}

// noteLines is how much text fits beside a figure.
const noteLines = 26

func (x *ringExplain) notes(a *simring.Account) []string {
	notes := fields(x.answer(a))
	if notes[0] == "" {
		notes = nil
	}
	var told []string
	for _, s := range a.Steps {
		if s.Hop == 0 && (s.Now != nil || s.Dies || s.Joins) {
			told = append(told, fmt.Sprintf(" %.2f s: %s %s", s.At.Seconds(), x.label(s.Node), s.Event))
		}
	}
	if len(told) > 0 {
		notes = append(append(notes, "what happened"), told...)
	}
	notes = append(notes, "successors")
	for _, k := range a.Nodes {
		notes = append(notes, fmt.Sprintf(" %s: %s", x.label(k.Node.At), dash(x.labels(k.Successors))))
	}
	if len(notes) > noteLines {
		notes = append(notes[:noteLines-1], " ...")
	}
	return notes
}
