package plot

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Terminal draws the ring with characters, width columns wide and height lines high at most. Lines end in a newline; there are no escape
// sequences. Roles show by what stands around a label: (12) is on a path, [60] the owner, x5x failed.
func (r Ring) Terminal(width, height int) string {
	width, height = min(max(width, minColumns), maxColumns), min(max(height, 12), maxLines)
	// A character is about twice as high as wide.
	lines := min(height, width/2)
	t := newDots(min(width, 2*lines+16), lines)
	pad := 3.0 // characters at the top and bottom, for labels and marks
	g := dotGeometry{x: float64(2*t.columns-1) / 2, y: float64(4*t.rows-1) / 2}
	g.ry = g.y - 4*pad + 4
	g.rx = g.ry
	for i := range 2000 {
		t.dot(g.at(float64(i)/2000, 1))
	}
	for _, a := range r.Arrows {
		if !a.Faint {
			x0, y0 := g.at(a.From, 0.97)
			x1, y1 := g.at(a.To, 0.97)
			t.line(x0, y0, x1, y1)
		}
	}
	for _, a := range r.Arrows {
		if !a.Faint && a.Label != "" && apart(a.From, a.To) > 1.0/16 { // the label of a short one would hide it
			x0, y0 := g.at(a.From, 0.97)
			x1, y1 := g.at(a.To, 0.97)
			t.label((x0+x1)/2, (y0+y1)/2, a.Label, 0.5)
		}
	}
	side := func(place float64) float64 { return (1 - math.Sin(2*math.Pi*place)) / 2 }
	for _, m := range r.Marks {
		x, y := g.at(m.At, 1+6/g.ry)
		t.label(x, y, m.Label, side(m.At))
	}
	for _, n := range r.Nodes {
		x, y := g.at(n.At, 1)
		t.label(x, y, n.Role.around(n.Label), 0.5)
	}
	text := strings.TrimLeft(strings.TrimRight(t.String(), "\n"), "\n") + "\n"
	if r.Title != "" {
		text = r.Title + "\n" + text
	}
	return text
}

// around marks a label with the role.
func (role RingRole) around(label string) string {
	switch role {
	case RingPath:
		return "(" + label + ")"
	case RingOwner:
		return "[" + label + "]"
	case RingDead:
		return "x" + label + "x"
	}
	return " " + label + " "
}

// apart is the shorter way between two places on the circle.
func apart(a, b float64) float64 {
	d := math.Abs(a - b)
	return min(d, 1-d)
}

// dotGeometry places things on the ellipse of dots that looks like a circle.
type dotGeometry struct{ x, y, rx, ry float64 }

func (g dotGeometry) at(place, distance float64) (x, y float64) {
	sin, cos := math.Sincos(2 * math.Pi * place)
	return g.x + distance*g.rx*sin, g.y - distance*g.ry*cos
}

// dots is a canvas of braille characters, 2 dots wide and 4 high each, on which text can be laid.
type dots struct {
	columns, rows int
	cells         []rune // 0x2800 + bits, or a character of a label
}

func newDots(columns, rows int) *dots {
	d := &dots{columns: columns, rows: rows, cells: make([]rune, columns*rows)}
	for i := range d.cells {
		d.cells[i] = blank
	}
	return d
}

// blank is the braille character without dots.
const blank = 0x2800

// dotBits are the bits of a braille character's dots by row and column (Unicode, "Braille Patterns").
var dotBits = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

func (d *dots) dot(x, y float64) {
	px, py := int(math.Round(x)), int(math.Round(y))
	if px < 0 || py < 0 || px >= 2*d.columns || py >= 4*d.rows {
		return
	}
	d.cells[py/4*d.columns+px/2] |= dotBits[py%4][px%2]
}

func (d *dots) line(x0, y0, x1, y1 float64) {
	n := int(max(math.Abs(x1-x0), math.Abs(y1-y0), 1))
	for i := range n + 1 {
		if i%2 == 0 { // every other dot, so that a path differs from the circle
			t := float64(i) / float64(n)
			d.dot(x0+t*(x1-x0), y0+t*(y1-y0))
		}
	}
}

// label writes over the dots, anchored at a share of its width.
func (d *dots) label(x, y float64, text string, anchor float64) {
	row := int(math.Round(y)) / 4
	n := utf8.RuneCountInString(text)
	at := int(math.Round(x/2 - anchor*float64(n-1)))
	at = max(0, min(at, d.columns-n))
	if row < 0 || row >= d.rows {
		return
	}
	for i, c := range []rune(text) {
		if at+i < d.columns {
			d.cells[row*d.columns+at+i] = c
		}
	}
}

func (d *dots) String() string {
	var b strings.Builder
	for row := range d.rows {
		line := strings.ReplaceAll(string(d.cells[row*d.columns:(row+1)*d.columns]), string(rune(blank)), " ")
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
