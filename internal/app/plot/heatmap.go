package plot

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Heatmap is a panel of shaded cells: Values[row][column], the first row on top. A value that is NaN or infinite leaves its cell
// grey. Cells that are large enough show their number.
type Heatmap struct {
	Title, XLabel, YLabel string
	Rows, Cols            []string // names, as many as there are rows and columns
	Values                [][]float64
}

func (h Heatmap) names() []string { return nil }
func (h Heatmap) title() string   { return h.Title }

func (h Heatmap) validate() error {
	if len(h.Values) != len(h.Rows) {
		return fmt.Errorf("heat map %q: %d rows of values for %d names", h.Title, len(h.Values), len(h.Rows))
	}
	for i, row := range h.Values {
		if len(row) != len(h.Cols) {
			return fmt.Errorf("heat map %q: row %d (%s) has %d values for %d columns", h.Title, i, h.Rows[i], len(row), len(h.Cols))
		}
	}
	return nil
}

func (h Heatmap) draw(area draw.Canvas, _ map[string]int) {
	area = drawTitle(draw.Crop(area, margin, -margin, margin, -margin), h.Title)
	if len(h.Rows) == 0 || len(h.Cols) == 0 {
		area.FillText(textStyle(labelSize, inkSoft, draw.XCenter, draw.YCenter), area.Center(), "no data")
		return
	}
	s := newScale(h.Values, false, true, false)
	s.whole = false // shades in between are as good
	area = h.drawBar(area, s)
	cells := h.drawNames(area)
	size := cells.Size()
	w, height := size.X/vg.Length(len(h.Cols)), size.Y/vg.Length(len(h.Rows))
	for i, row := range h.Values {
		for j, v := range row {
			low := vg.Point{X: cells.Min.X + vg.Length(j)*w, Y: cells.Max.Y - vg.Length(i+1)*height}
			drawCell(cells, vg.Rectangle{Min: low, Max: low.Add(vg.Point{X: w, Y: height})}, v, s)
		}
	}
}

// drawCell shades one cell and writes its value where there is room.
func drawCell(c draw.Canvas, r vg.Rectangle, v float64, s scale) {
	fill := nothing
	known := usable(v, false)
	if known {
		fill = shade(s.norm(v))
	}
	if size := r.Size(); size.X > 6 && size.Y > 6 { // a white seam between cells that are not tiny
		r.Min, r.Max = r.Min.Add(vg.Point{X: 0.5, Y: 0.5}), r.Max.Sub(vg.Point{X: 0.5, Y: 0.5})
	}
	c.SetColor(fill)
	c.Fill(r.Path())
	if !known {
		return
	}
	text := textStyle(tickSize, ink, draw.XCenter, draw.YCenter)
	if isDark(fill) {
		text.Color = rgb(0xFFFFFF)
	}
	label := formatValue(v)
	if size := r.Size(); text.Width(label)+4 <= size.X && text.Height(label)+2 <= size.Y {
		c.FillText(text, vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: (r.Min.Y + r.Max.Y) / 2}, label)
	}
}

// formatValue prints a value that stands alone, with three significant digits at most; integers below a million with all.
func formatValue(v float64) string {
	abs := math.Abs(v)
	step := math.Pow(10, math.Floor(math.Log10(max(abs, 1e-300)))-2)
	if v == math.Trunc(v) && abs < 1e6 {
		step = 1
	}
	text := formatTick(v, step, abs)
	digits := strings.TrimRight(text, "TGM")
	if strings.Contains(digits, ".") && !strings.Contains(digits, "e") {
		digits = strings.TrimRight(strings.TrimRight(digits, "0"), ".") + text[len(digits):]
		return digits
	}
	return text
}

// drawBar draws the scale of shades on the right and returns the area without it.
func (h Heatmap) drawBar(area draw.Canvas, s scale) draw.Canvas {
	numbers := textStyle(tickSize, inkSoft, draw.XLeft, draw.YCenter)
	ticks := s.ticks()
	widest := vg.Length(0)
	for _, t := range ticks {
		widest = max(widest, numbers.Width(t.label))
	}
	const bar, steps = vg.Length(10), 48
	left := area.Max.X - widest - gap - bar
	// No higher than it reads well, and clear of the labels below the cells.
	top, height := area.Max.Y-numbers.Height("0")/2, min(area.Size().Y*0.6, 160)
	for i := range steps {
		area.SetColor(shade((float64(i) + 0.5) / steps))
		low := top - height + height*vg.Length(i)/steps
		high := min(top, low+height/steps+0.3) // without seams
		area.Fill(vg.Rectangle{Min: vg.Point{X: left, Y: low}, Max: vg.Point{X: left + bar, Y: high}}.Path())
	}
	for _, t := range ticks {
		area.FillText(numbers, vg.Point{X: left + bar + gap, Y: top - height + height*vg.Length(s.norm(t.at))}, t.label)
	}
	return draw.Crop(area, 0, left-2*gap-area.Max.X, 0, 0)
}

// drawNames writes the names of rows and columns and the labels of the axes, and returns the canvas of the cells.
func (h Heatmap) drawNames(area draw.Canvas) draw.Canvas {
	label := textStyle(labelSize, inkSoft, draw.XCenter, draw.YBottom)
	names := textStyle(tickSize, inkSoft, draw.XRight, draw.YCenter)
	left, widest := gap, vg.Length(0)
	for _, name := range h.Rows {
		left = max(left, gap+names.Width(name))
	}
	for _, name := range h.Cols {
		widest = max(widest, names.Width(name))
	}
	if h.YLabel != "" {
		left += label.Height(h.YLabel) + gap
	}
	left = min(left, area.Size().X/2) // names without end still leave room for the cells
	line := names.Height("0")
	turned := widest+gap > (area.Size().X-left)/vg.Length(len(h.Cols)) // too wide to stand side by side
	bottom := gap + line
	if turned {
		bottom = min(gap+widest, area.Size().Y/2)
	}
	if h.XLabel != "" {
		bottom += label.Height(h.XLabel) + gap
	}
	cells := draw.Crop(area, left, 0, bottom, 0)
	each := vg.Point{X: cells.Size().X / vg.Length(len(h.Cols)), Y: cells.Size().Y / vg.Length(len(h.Rows))}
	for i := 0; i < len(h.Rows); i += every(line, each.Y) {
		at := vg.Point{X: cells.Min.X - gap/2, Y: cells.Max.Y - (vg.Length(i)+0.5)*each.Y}
		area.FillText(names, at, h.Rows[i])
	}
	h.drawColumns(cells, each.X, line, turned)
	drawAxisLabels(area, cells, h.XLabel, h.YLabel)
	return cells
}

// drawColumns writes the names of the columns below the cells, turned by a quarter if they are long.
func (h Heatmap) drawColumns(cells draw.Canvas, each, line vg.Length, turned bool) {
	s := textStyle(tickSize, inkSoft, draw.XCenter, draw.YTop)
	step := 1
	if turned {
		s.Rotation, s.XAlign, s.YAlign = math.Pi/2, draw.XRight, draw.YCenter
		step = every(line, each)
	}
	for j := 0; j < len(h.Cols); j += step {
		cells.FillText(s, vg.Point{X: cells.Min.X + (vg.Length(j)+0.5)*each, Y: cells.Min.Y - gap/2}, h.Cols[j])
	}
}

// every returns n such that each nth of names that are line high fits where each has room.
func every(line, room vg.Length) int {
	return max(1, int(math.Ceil(float64(line/max(room, 0.01)))))
}
