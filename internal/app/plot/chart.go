package plot

import (
	"cmp"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Style says how a series is drawn.
type Style int

// The styles; the zero value is Line.
const (
	Line       Style = iota // a line through the points
	Dashed                  // a dashed line: bounds and models, as against what was measured
	Points                  // points alone
	Rings                   // wide hollow points: what they may coincide with still shows inside of them
	LinePoints              // a line with the points on it
	Steps                   // each value holds until the next X: distributions, counts over time
)

func (s Style) isLine() bool    { return s != Points && s != Rings }
func (s Style) hasPoints() bool { return s == Points || s == Rings || s == LinePoints }

// Series is one line of a chart. X and Y are as long as each other; a point of which one is NaN or infinite breaks the line.
type Series struct {
	Name  string // in the legend; an unnamed series is not listed there
	X, Y  []float64
	Style Style
	// Color chooses the palette's colour, from 1; 0 = by Name, or else by place. Series that belong together (the bound and the
	// measurement of one architecture) get the same one, and differ in Style.
	Color int
}

// Chart is a panel with an X and a Y axis.
type Chart struct {
	Title, XLabel, YLabel string
	Series                []Series
	YMin0                 bool   // the Y axis starts at 0; without meaning when LogY
	LogX, LogY            bool   // logarithmic axes: points that are not positive are left out
	Empty                 string // what to say in the place of curves where there is no point; "" = no data
}

// empty is what an empty chart says.
func (c Chart) empty() string { return cmp.Or(c.Empty, "no data") }

// Panel is one picture of a figure: a Chart, a Heatmap or a Ring.
type Panel interface {
	validate() error
	names() []string // of series, in order
	title() string
	draw(c draw.Canvas, colors map[string]int)
}

func (c Chart) title() string { return c.Title }

func (c Chart) validate() error {
	for i, s := range c.Series {
		if len(s.X) != len(s.Y) {
			return fmt.Errorf("chart %q: series %d (%s) has %d x and %d y values", c.Title, i, s.Name, len(s.X), len(s.Y))
		}
		if s.Color < 0 {
			return fmt.Errorf("chart %q: series %d (%s): negative color", c.Title, i, s.Name)
		}
	}
	return nil
}

func (c Chart) names() []string {
	var out []string
	for _, s := range c.Series {
		if s.Color == 0 && s.Name != "" {
			out = append(out, s.Name)
		}
	}
	return out
}

// colorOf returns the palette's index for series i.
func (c Chart) colorOf(i int, colors map[string]int) int {
	s := c.Series[i]
	if s.Color > 0 {
		return (s.Color - 1) % len(palette)
	}
	if at, ok := colors[s.Name]; ok && s.Name != "" {
		return at % len(palette)
	}
	return i % len(palette)
}

// scales returns those of both axes.
func (c Chart) scales() (x, y scale) {
	xs, ys := make([][]float64, len(c.Series)), make([][]float64, len(c.Series))
	for i, s := range c.Series {
		// Only points that show count: one with an infinite Y must not stretch the X axis.
		for j := range min(len(s.X), len(s.Y)) {
			if usable(s.X[j], c.LogX) && usable(s.Y[j], c.LogY) {
				xs[i], ys[i] = append(xs[i], s.X[j]), append(ys[i], s.Y[j])
			}
		}
	}
	return newScale(xs, c.LogX, false, true), newScale(ys, c.LogY, c.YMin0, false)
}

func (c Chart) draw(area draw.Canvas, colors map[string]int) {
	x, y := c.scales()
	data := c.frame(area, x, y, colors)
	at := func(vx, vy float64) vg.Point {
		return vg.Point{X: data.X(x.norm(vx)), Y: data.Y(y.norm(vy))}
	}
	for i, s := range c.Series {
		col := c.colorOf(i, colors)
		if s.Style.isLine() {
			for _, run := range c.runs(s, at) {
				data.StrokeLines(lineStyle(s.Style, palette[col]), run)
			}
		}
		if s.Style.hasPoints() {
			c.drawPoints(&data, s, glyphStyle(s.Style, col), at)
		}
	}
}

// runs returns the unbroken lines of a series in the coordinates of the canvas.
func (c Chart) runs(s Series, at func(x, y float64) vg.Point) [][]vg.Point {
	var out [][]vg.Point
	var run []vg.Point
	end := func() {
		if len(run) == 1 { // a point between two gaps: a short dash shows it
			p := run[0]
			run = []vg.Point{{X: p.X - 1, Y: p.Y}, {X: p.X + 1, Y: p.Y}}
		}
		if len(run) > 0 {
			out = append(out, thin(run))
		}
		run = nil
	}
	for j := range s.X {
		if !usable(s.X[j], c.LogX) || !usable(s.Y[j], c.LogY) {
			end()
			continue
		}
		p := at(s.X[j], s.Y[j])
		if s.Style == Steps && len(run) > 0 {
			run = append(run, vg.Point{X: p.X, Y: run[len(run)-1].Y})
		}
		run = append(run, p)
	}
	end()
	return out
}

// thin drops the points of a dense line that nobody can see: of those within a quarter point across, the first, lowest, highest and
// last stay. A distribution over 100,000 peers is then a small file, and looks the same.
func thin(run []vg.Point) []vg.Point {
	const bin = vg.Length(0.25)
	if len(run) < 2000 {
		return run
	}
	var out []vg.Point
	for i := 0; i < len(run); {
		j, low, high := i, i, i
		for ; j < len(run) && run[j].X >= run[i].X && run[j].X < run[i].X+bin; j++ {
			if run[j].Y < run[low].Y {
				low = j
			}
			if run[j].Y > run[high].Y {
				high = j
			}
		}
		for _, k := range []int{i, min(low, high), max(low, high), j - 1} {
			if len(out) == 0 || out[len(out)-1] != run[k] {
				out = append(out, run[k])
			}
		}
		i = j
	}
	return out
}

// drawPoints draws the markers of a series; those that would cover another are left out.
func (c Chart) drawPoints(data *draw.Canvas, s Series, g draw.GlyphStyle, at func(x, y float64) vg.Point) {
	drawn := map[[2]int]bool{}
	for j := range s.X {
		if !usable(s.X[j], c.LogX) || !usable(s.Y[j], c.LogY) {
			continue
		}
		p := at(s.X[j], s.Y[j])
		cell := [2]int{int(math.Round(float64(p.X * 2))), int(math.Round(float64(p.Y * 2)))}
		if !drawn[cell] {
			drawn[cell] = true
			data.DrawGlyphNoClip(g, p)
		}
	}
}

func lineStyle(s Style, c color.Color) draw.LineStyle {
	l := draw.LineStyle{Color: c, Width: vg.Points(1.8)}
	if s == Dashed {
		l.Width = vg.Points(1.5)
		l.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	}
	return l
}

func glyphStyle(s Style, index int) draw.GlyphStyle {
	if s == Rings {
		return draw.GlyphStyle{Color: palette[index], Radius: vg.Points(5.5), Shape: draw.RingGlyph{}}
	}
	return draw.GlyphStyle{Color: palette[index], Radius: vg.Points(3), Shape: glyphs[index%len(glyphs)]}
}
