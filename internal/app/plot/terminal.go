package plot

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"
)

// inks are the characters of the series' lines, which tell them apart without colour.
var inks = []asciigraph.CharSet{
	asciigraph.DefaultCharSet,
	{Horizontal: "━", VerticalLine: "┃", ArcDownRight: "┏", ArcDownLeft: "┓", ArcUpRight: "┗", ArcUpLeft: "┛", EndCap: "╸", StartCap: "╺"},
	{Horizontal: "═", VerticalLine: "║", ArcDownRight: "╔", ArcDownLeft: "╗", ArcUpRight: "╚", ArcUpLeft: "╝", EndCap: "═", StartCap: "═"},
	asciigraph.CreateCharSet("·"),
	asciigraph.CreateCharSet("*"),
	asciigraph.CreateCharSet("o"),
	asciigraph.CreateCharSet("+"),
}

// The least and greatest size of a chart in characters.
const (
	minColumns, maxColumns = 30, 500
	minLines, maxLines     = 8, 200
)

// Terminal draws the chart with box characters, at most width columns wide and about height lines high, title and labels
// included. It has no escape sequences: it may go to a file as well. Lines end in a newline.
func (c Chart) Terminal(width, height int) string {
	width, height = min(max(width, minColumns), maxColumns), min(max(height, minLines), maxLines)
	var b strings.Builder
	for _, line := range []string{c.Title, c.YLabel} {
		if line != "" {
			b.WriteString(line + "\n")
		}
	}
	if c.validate() != nil || !c.hasPoint() {
		b.WriteString(c.empty() + "\n")
		return b.String()
	}
	x, y := c.scales()
	rows, label := c.lines(y, height-6) // the title, the Y label, two lines of the X axis, its label, the legend
	labels := 0
	for i := range rows + 1 {
		labels = max(labels, utf8.RuneCountInString(label(float64(i)/float64(rows))))
	}
	// The label of the right end is centred under it and sticks out by half.
	columns := width - labels - 4 - utf8.RuneCountInString(columnText(x, 1))/2
	graph := c.graph(x, y, rows, max(10, columns), label)
	if over := widest(graph) - width; over > 0 { // the library rounds places, and so may meet a longer label
		graph = c.graph(x, y, rows, max(10, columns-over), label)
	}
	b.WriteString(graph)
	b.WriteString("\n")
	c.terminalFoot(&b, labels+3)
	return b.String()
}

// graph draws the axes and the lines.
func (c Chart) graph(x, y scale, rows, columns int, label func(t float64) string) string {
	data := make([][]float64, len(c.Series))
	for i, s := range c.Series {
		data[i] = c.sampled(s, x, y, columns)
	}
	chars := make([]asciigraph.CharSet, len(data))
	for i := range chars {
		chars[i] = inks[i%len(inks)]
	}
	// Everything is scaled to 0..1 before: the library multiplies values by heights, and ours may be as large as they like.
	return asciigraph.PlotMany(data, asciigraph.Height(rows), asciigraph.LowerBound(0), asciigraph.UpperBound(1),
		asciigraph.YAxisValueFormatter(label), asciigraph.SeriesChars(chars...),
		asciigraph.XAxisRange(0, 1), asciigraph.XAxisTickCount(columnTicks(x, columns)),
		asciigraph.XAxisValueFormatter(func(t float64) string { return columnText(x, t) }))
}

// widest returns how wide a text is.
func widest(text string) int {
	most := 0
	for line := range strings.Lines(text) {
		most = max(most, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return most
}

// lines returns how many lines the Y axis gets, near what is wanted, and how each is labelled: with its round value where there is one, so
// the number of lines is a multiple of the number of ticks.
func (c Chart) lines(y scale, wanted int) (rows int, label func(t float64) string) {
	ticks := y.ticks()
	rows = max(4, wanted)
	steps := len(ticks) - 1
	for i := range ticks { // a logarithmic axis may have ticks that are not evenly spaced
		if steps < 1 || math.Abs(y.norm(ticks[i].at)-float64(i)/float64(steps)) > 1e-6 {
			return rows, func(t float64) string { return formatValue(y.denorm(t)) }
		}
	}
	if steps > rows {
		return rows, func(t float64) string { return formatValue(y.denorm(t)) }
	}
	rows = steps * (rows / steps)
	return rows, func(t float64) string {
		if i := math.Round(t * float64(steps)); math.Abs(t*float64(steps)-i) < 1e-6 {
			return ticks[int(i)].label
		}
		return ""
	}
}

// columnTicks returns how many labels the X axis gets, both ends among them: at round values if they lie so.
func columnTicks(x scale, columns int) int {
	most := max(2, min(9, columns/6))
	if n := len(x.ticks()); n >= 2 && x.norm(x.ticks()[0].at) < 1e-6 && x.norm(x.ticks()[n-1].at) > 1-1e-6 {
		for every := 1; every < n; every++ {
			if parts := (n - 1) / every; (n-1)%every == 0 && parts < most && (parts > 2 || most < 5) {
				return parts + 1
			}
		}
	}
	return min(5, most)
}

// columnText labels the place t of the X axis.
func columnText(x scale, t float64) string {
	v := x.denorm(t)
	if x.whole && !x.log && x.hi-x.lo >= 10 {
		v = math.Round(v) // less than a tenth of a column off
	}
	return formatValue(v)
}

// terminalFoot writes the X label and the legend.
func (c Chart) terminalFoot(b *strings.Builder, indent int) {
	pad := strings.Repeat(" ", indent)
	if c.XLabel != "" {
		b.WriteString(pad + c.XLabel + "\n")
	}
	var names []string
	for i, s := range c.Series {
		if s.Name != "" {
			mark := inks[i%len(inks)].Horizontal
			names = append(names, mark+mark+" "+s.Name)
		}
	}
	if len(names) > 0 {
		b.WriteString(pad + strings.Join(names, "   ") + "\n")
	}
}

// sampled returns the series at evenly spaced columns, scaled to 0..1; NaN where there is nothing to show.
func (c Chart) sampled(s Series, x, y scale, columns int) []float64 {
	type point struct{ x, y float64 } // y is NaN at a gap
	var points []point
	for j := range s.X {
		if !usable(s.X[j], c.LogX) {
			continue
		}
		p := point{x.norm(s.X[j]), math.NaN()}
		if usable(s.Y[j], c.LogY) {
			p.y = y.norm(s.Y[j])
		}
		points = append(points, p)
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	out := make([]float64, columns)
	i := 0
	for col := range out {
		out[col] = math.NaN()
		at := float64(col) / float64(columns-1)
		for i+1 < len(points) && points[i+1].x <= at+1e-12 {
			i++
		}
		switch {
		case len(points) == 0 || points[i].x > at+0.5/float64(columns-1):
		case i+1 == len(points):
			if at-points[i].x <= 0.5/float64(columns-1) || s.Style == Steps {
				out[col] = points[i].y
			}
		case s.Style == Steps || points[i].x > at || points[i+1].x <= points[i].x:
			out[col] = points[i].y
		default:
			t := (at - points[i].x) / (points[i+1].x - points[i].x)
			out[col] = points[i].y*(1-t) + points[i+1].y*t
			if t == 0 {
				out[col] = points[i].y // a gap on the right side must not spread
			}
		}
	}
	return out
}
