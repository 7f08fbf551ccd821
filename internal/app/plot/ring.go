package plot

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Ring is a panel that shows a circle of positions, clockwise from 0 at the top, with nodes on it and arrows between them. Notes stand
// beside it, a line each; a line that begins with a space is set apart as a detail of the one above.
type Ring struct {
	Title  string
	Nodes  []RingNode
	Arrows []RingArrow // those drawn last lie on top
	Marks  []RingMark  // outside of the circle
	Notes  []string
}

// RingNode is a node of a Ring.
type RingNode struct {
	At    float64 // the way around, 0 to 1
	Label string
	Role  RingRole
}

// RingRole tells nodes apart, by shape and shade as well as colour.
type RingRole int

// The roles of a node.
const (
	RingPlain RingRole = iota
	RingPath           // a query passes it
	RingOwner          // what is asked for belongs to it
	RingDead           // it failed
)

// RingArrow leads from one place on the circle to another, the short way through its inside.
type RingArrow struct {
	From, To float64 // the way around, 0 to 1
	Label    string
	Faint    bool // dashed and pale: what a node knows, as against what it did
}

// RingMark points at a place on the circle from outside, as for a key.
type RingMark struct {
	At    float64 // the way around, 0 to 1
	Label string
}

func (r Ring) title() string   { return r.Title }
func (r Ring) names() []string { return nil }

func (r Ring) validate() error {
	check := func(what string, i int, at ...float64) error {
		for _, v := range at {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("ring %q: %s %d lies at %v of the way around, not within 0 to 1", r.Title, what, i, v)
			}
		}
		return nil
	}
	for i, n := range r.Nodes {
		if err := check("node", i, n.At); err != nil {
			return err
		}
	}
	for i, a := range r.Arrows {
		if err := check("arrow", i, a.From, a.To); err != nil {
			return err
		}
	}
	for i, m := range r.Marks {
		if err := check("mark", i, m.At); err != nil {
			return err
		}
	}
	return nil
}

// extent makes a ring's panel squarer than a chart's.
func (r Ring) extent() (w, h vg.Length) {
	if len(r.Notes) == 0 {
		return 520, 520
	}
	return 800, 520
}

// Sizes of a ring in points.
const (
	nodeRadius  = vg.Length(11)
	arrowHead   = vg.Length(7)
	ringOutside = vg.Length(40) // around the circle, for marks
)

func (r Ring) draw(area draw.Canvas, _ map[string]int) {
	area = drawTitle(draw.Crop(area, margin, -margin, margin, -margin), r.Title)
	side := min(area.Size().X, area.Size().Y)
	if len(r.Notes) > 0 {
		r.drawNotes(draw.Crop(area, side+gap, 0, 0, 0))
	}
	g := ringGeometry{
		center: vg.Point{X: area.Min.X + side/2, Y: area.Center().Y},
		radius: side/2 - ringOutside,
		node:   r.nodeRadius(side/2 - ringOutside),
	}
	circle := vg.Path{}
	circle.Move(g.at(0, g.radius))
	circle.Arc(g.center, g.radius, math.Pi/2, 2*math.Pi)
	area.SetLineStyle(draw.LineStyle{Color: axisLine, Width: vg.Points(1.5)})
	area.Stroke(circle)
	for _, a := range r.Arrows {
		g.drawArrow(area, a)
	}
	for _, m := range r.Marks {
		g.drawMark(area, m)
	}
	for _, n := range r.Nodes {
		g.drawNode(area, n)
	}
}

// nodeRadius lets nodes that are near each other be small, so that they don't overlap where that can be helped.
func (r Ring) nodeRadius(circle vg.Length) vg.Length {
	var places []float64
	for _, n := range r.Nodes {
		places = append(places, n.At)
	}
	slices.Sort(places)
	least := 1.0
	for i, at := range places {
		next := places[(i+1)%len(places)]
		if i+1 == len(places) {
			next++
		}
		least = min(least, next-at)
	}
	return max(3, min(nodeRadius, vg.Length(math.Pi*least)*circle-0.8))
}

// ringGeometry places things on a circle.
type ringGeometry struct {
	center       vg.Point
	radius, node vg.Length
}

// at is the point at a distance from the centre in the direction of a place on the circle.
func (g ringGeometry) at(place float64, distance vg.Length) vg.Point {
	sin, cos := math.Sincos(2 * math.Pi * place)
	return vg.Point{X: g.center.X + distance*vg.Length(sin), Y: g.center.Y + distance*vg.Length(cos)}
}

func (g ringGeometry) drawNode(c draw.Canvas, n RingNode) {
	at := g.at(n.At, g.radius)
	fill, label, edge := rgb(0xFFFFFF), ink, inkSoft
	switch n.Role {
	case RingPath:
		fill, label, edge = palette[1], rgb(0xFFFFFF), palette[1]
	case RingOwner:
		fill, label, edge = palette[0], rgb(0xFFFFFF), palette[0]
	case RingDead:
		fill, label, edge = nothing, inkSoft, axisLine
	}
	outline := vg.Path{}
	if r := g.node; n.Role == RingOwner { // a square
		outline.Move(at.Add(vg.Point{X: -r, Y: -r}))
		outline.Line(at.Add(vg.Point{X: r, Y: -r}))
		outline.Line(at.Add(vg.Point{X: r, Y: r}))
		outline.Line(at.Add(vg.Point{X: -r, Y: r}))
		outline.Close()
	} else {
		outline.Move(at.Add(vg.Point{X: r}))
		outline.Arc(at, r, 0, 2*math.Pi)
		outline.Close()
	}
	c.SetColor(fill)
	c.Fill(outline)
	c.SetLineStyle(draw.LineStyle{Color: edge, Width: vg.Points(1.2)})
	c.Stroke(outline)
	s := bold(textStyle(tickSize, label, draw.XCenter, draw.YCenter))
	if g.node >= 7 && n.Role != RingDead { // a cross would hide it
		c.FillText(fitted(s, n.Label, 1.8*g.node), at, n.Label)
	} else {
		s.Color = ink
		g.outside(c, s, n.At, n.Label)
	}
	if n.Role == RingDead {
		d := g.node * 0.9
		c.StrokeLine2(draw.LineStyle{Color: ink, Width: vg.Points(1.5)}, at.X-d, at.Y-d, at.X+d, at.Y+d)
		c.StrokeLine2(draw.LineStyle{Color: ink, Width: vg.Points(1.5)}, at.X-d, at.Y+d, at.X+d, at.Y-d)
	}
}

func (g ringGeometry) drawArrow(c draw.Canvas, a RingArrow) {
	from, to := g.at(a.From, g.radius), g.at(a.To, g.radius)
	way := to.Sub(from)
	length := vg.Length(math.Hypot(float64(way.X), float64(way.Y)))
	if length < 2*g.node+1 {
		return // to itself, or to one so near that the nodes touch
	}
	unit := way.Scale(1 / length)
	from, to = from.Add(unit.Scale(g.node)), to.Sub(unit.Scale(g.node+1))
	line := draw.LineStyle{Color: palette[1], Width: vg.Points(2)}
	if a.Faint {
		line = draw.LineStyle{Color: axisLine, Width: vg.Points(0.8), Dashes: []vg.Length{vg.Points(3), vg.Points(3)}}
	}
	head := min(arrowHead, length/3)
	neck := to.Sub(unit.Scale(head))
	c.StrokeLine2(line, from.X, from.Y, neck.X, neck.Y)
	side := vg.Point{X: -unit.Y, Y: unit.X}.Scale(head * 0.45)
	var tip vg.Path
	tip.Move(to)
	tip.Line(neck.Add(side))
	tip.Line(neck.Sub(side))
	tip.Close()
	c.SetColor(line.Color)
	c.Fill(tip)
	if a.Label == "" {
		return
	}
	// Beside the middle, on the side of the centre, so that it does not lie on the circle.
	middle := from.Add(to).Scale(0.5)
	inwards := g.center.Sub(middle)
	away := vg.Point{X: -unit.Y, Y: unit.X}
	if away.X*inwards.X+away.Y*inwards.Y < 0 {
		away = away.Scale(-1)
	}
	s := bold(textStyle(labelSize, palette[1], draw.XCenter, draw.YCenter))
	c.FillText(s, middle.Add(away.Scale(9)), a.Label)
}

func (g ringGeometry) drawMark(c draw.Canvas, m RingMark) {
	tip, tail := g.at(m.At, g.radius+2), g.at(m.At, g.radius+g.node+7)
	c.StrokeLine2(draw.LineStyle{Color: palette[0], Width: vg.Points(2)}, tip.X, tip.Y, tail.X, tail.Y)
	g.outside(c, bold(textStyle(labelSize, palette[0], draw.XCenter, draw.YCenter)), m.At, m.Label)
}

// outside writes beside the circle, growing away from it.
func (g ringGeometry) outside(c draw.Canvas, s text.Style, place float64, label string) {
	sin, cos := math.Sincos(2 * math.Pi * place)
	s.XAlign = text.XAlignment((sin - 1) / 2)
	s.YAlign = text.YAlignment((cos - 1) / 2)
	c.FillText(s, g.at(place, g.radius+g.node+10), label)
}

func (r Ring) drawNotes(area draw.Canvas) {
	style := textStyle(labelSize, ink, draw.XLeft, draw.YTop)
	row := min(style.Height("Xg")+4, area.Size().Y/vg.Length(len(r.Notes)))
	y := area.Max.Y
	for _, note := range r.Notes {
		s, x := style, area.Min.X
		if len(note) > 0 && note[0] == ' ' {
			s.Color, s.Font.Size, x = inkSoft, tickSize, x+8
		}
		area.FillText(fitted(s, note, area.Max.X-x), vg.Point{X: x, Y: y}, note)
		y -= row
	}
}
