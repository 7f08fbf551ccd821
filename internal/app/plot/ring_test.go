package plot

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lecture is the ring of the course with the query for key 53.
func lecture() Ring {
	r := Ring{Title: "Who has key 53?", Marks: []RingMark{{53.0 / 64, "key 53"}}, Notes: []string{"owner 60", " path 12, 48, 60"},
		Arrows: []RingArrow{{From: 12.0 / 64, To: 48.0 / 64, Label: "1"}, {From: 48.0 / 64, To: 60.0 / 64, Label: "2"},
			{From: 12.0 / 64, To: 32.0 / 64, Faint: true}}}
	for _, n := range []struct {
		at    float64
		label string
		role  RingRole
	}{{1, "1", RingPlain}, {12, "12", RingPath}, {13, "13", RingPlain}, {25, "25", RingPlain}, {32, "32", RingDead}, {40, "40", RingPlain},
		{48, "48", RingPath}, {60, "60", RingOwner}} {
		r.Nodes = append(r.Nodes, RingNode{n.at / 64, n.label, n.role})
	}
	return r
}

func TestRingToSVG(t *testing.T) {
	svg := svgOf(t, lecture())
	got := texts(svg)
	for _, want := range []string{"Who has key 53?", "key 53", "1", "12", "60", "owner 60", " path 12, 48, 60", "2"} {
		if !slices.Contains(got, want) {
			t.Errorf("the figure does not say %q: %q", want, got)
		}
	}
	// Roles differ by more than colour: the owner is a square, which no arc draws, and a failed node is crossed out.
	if squares := strings.Count(svg, "fill:#D55E00"); squares == 0 {
		t.Error("no owner is filled")
	}
	if err := Save(filepath.Join(t.TempDir(), "ring.png"), lecture()); err != nil {
		t.Error(err)
	}
	for _, bad := range []Ring{{Nodes: []RingNode{{At: 1.5}}}, {Arrows: []RingArrow{{From: 0.5, To: -1}}}, {Marks: []RingMark{{At: 2}}}} {
		if err := Save(filepath.Join(t.TempDir(), "bad.svg"), bad); err == nil {
			t.Errorf("%+v was drawn", bad)
		}
	}
}

// Clockwise from the top, roles told by characters.
func TestRingInTerminal(t *testing.T) {
	text := lecture().Terminal(80, 24)
	rows := strings.Split(text, "\n")
	row := func(s string) int {
		i := slices.IndexFunc(rows, func(r string) bool { return strings.Contains(r, s) })
		if i < 0 {
			t.Fatalf("no %q in\n%s", s, text)
		}
		return i
	}
	if !(row(" 1 ") < row("(12)") && row("(12)") < row("25") && row("25") < row("x32x")) {
		t.Errorf("nodes do not go down on the right:\n%s", text)
	}
	if col := func(s string) int { return strings.Index(rows[row(s)], s) }; !(col("(48)") < col("(12)")) {
		t.Errorf("48 does not lie left of 12:\n%s", text)
	}
	if row("[60]") > row(" key 53 ") {
		t.Errorf("key 53 does not lie below 60:\n%s", text)
	}
	for _, line := range rows {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
