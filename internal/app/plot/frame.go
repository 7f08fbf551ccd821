package plot

import (
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Distances in points.
const (
	margin     = vg.Length(14) // around a panel
	gap        = vg.Length(6)  // between text and what it belongs to
	sample     = vg.Length(22) // a legend entry's piece of line
	entryGap   = vg.Length(16) // between legend entries
	glyphSpace = vg.Length(4)  // so that markers at the ends of an axis are whole
)

// frame draws everything of a chart but the data, and returns the canvas for that. From the top: title, legend, data, labels. The
// legend is never over the data.
func (c Chart) frame(area draw.Canvas, x, y scale, colors map[string]int) draw.Canvas {
	area = draw.Crop(area, margin, -margin, margin, -margin)
	area = drawTitle(area, c.Title)
	area = c.legend(area, colors)

	xs, ys := x.ticks(), y.ticks()
	label := textStyle(labelSize, inkSoft, draw.XCenter, draw.YBottom)
	numbers := textStyle(tickSize, inkSoft, draw.XRight, draw.YCenter)
	left, bottom := glyphSpace+gap, glyphSpace+numbers.Height("0")
	for _, t := range ys {
		left = max(left, glyphSpace+gap+numbers.Width(t.label))
	}
	if c.YLabel != "" {
		left += label.Height(c.YLabel) + gap
	}
	if c.XLabel != "" {
		bottom += label.Height(c.XLabel) + gap
	}
	right := glyphSpace
	if len(xs) > 0 { // the last number is centred under its tick and may stick out
		last := xs[len(xs)-1]
		right = max(right, numbers.Width(last.label)/2*vg.Length(x.norm(last.at)))
	}
	data := draw.Crop(area, left, -right, bottom, -glyphSpace-numbers.Height("0")/2)
	drawGrid(data, x, y, xs, ys)
	drawNumbers(data, x, y, xs, ys)
	drawAxisLabels(area, data, c.XLabel, c.YLabel)
	if !c.hasPoint() {
		none := textStyle(labelSize, inkSoft, draw.XCenter, draw.YCenter)
		data.FillText(fitted(none, c.empty(), data.Size().X), data.Center(), c.empty())
	}
	return data
}

// drawAxisLabels writes what the axes are along the lower and the left edge of area, in the middle of data.
func drawAxisLabels(area, data draw.Canvas, x, y string) {
	label := textStyle(labelSize, inkSoft, draw.XCenter, draw.YBottom)
	if x != "" {
		area.FillText(fitted(label, x, data.Size().X), vg.Point{X: data.Center().X, Y: area.Min.Y}, x)
	}
	if y != "" {
		s := fitted(label, y, data.Size().Y)
		s.Rotation, s.YAlign = math.Pi/2, draw.YTop
		area.FillText(s, vg.Point{X: area.Min.X, Y: data.Center().Y}, y)
	}
}

// hasPoint reports whether there is anything to draw.
func (c Chart) hasPoint() bool {
	for _, s := range c.Series {
		for j := range min(len(s.X), len(s.Y)) {
			if usable(s.X[j], c.LogX) && usable(s.Y[j], c.LogY) {
				return true
			}
		}
	}
	return false
}

// drawTitle writes the title on top, on the left, and returns what is left of the area.
func drawTitle(area draw.Canvas, title string) draw.Canvas {
	if title == "" {
		return area
	}
	s := fitted(bold(textStyle(titleSize, ink, draw.XLeft, draw.YTop)), title, area.Size().X)
	area.FillText(s, vg.Point{X: area.Min.X, Y: area.Max.Y}, title)
	return draw.Crop(area, 0, 0, 0, -s.Height(title)-gap)
}

// drawGrid draws a light line at each tick and the X axis.
func drawGrid(data draw.Canvas, x, y scale, xs, ys []tick) {
	light := draw.LineStyle{Color: gridLine, Width: vg.Points(0.6)}
	for _, t := range ys {
		at := data.Y(y.norm(t.at))
		data.StrokeLine2(light, data.Min.X, at, data.Max.X, at)
	}
	for _, t := range xs {
		at := data.X(x.norm(t.at))
		data.StrokeLine2(light, at, data.Min.Y, at, data.Max.Y)
	}
	axis := draw.LineStyle{Color: axisLine, Width: vg.Points(0.8)}
	data.StrokeLine2(axis, data.Min.X, data.Min.Y, data.Max.X, data.Min.Y)
}

// drawNumbers labels the ticks of both axes.
func drawNumbers(data draw.Canvas, x, y scale, xs, ys []tick) {
	beside := textStyle(tickSize, inkSoft, draw.XRight, draw.YCenter)
	for _, t := range ys {
		data.FillText(beside, vg.Point{X: data.Min.X - glyphSpace, Y: data.Y(y.norm(t.at))}, t.label)
	}
	below := textStyle(tickSize, inkSoft, draw.XCenter, draw.YTop)
	end := vg.Length(math.Inf(-1))
	for _, t := range xs {
		at, half := data.X(x.norm(t.at)), below.Width(t.label)/2
		if at-half < end { // long numbers: leave out what would overlap
			continue
		}
		end = at + half + gap
		data.FillText(below, vg.Point{X: at, Y: data.Min.Y - glyphSpace}, t.label)
	}
}

// legend lists the named series in rows over the data and returns what is left of the area. A single series with the title above needs
// none.
func (c Chart) legend(area draw.Canvas, colors map[string]int) draw.Canvas {
	s := textStyle(legendSize, inkSoft, draw.XLeft, draw.YCenter)
	row := s.Height("X") + 4
	at := vg.Point{X: area.Min.X, Y: area.Max.Y - row/2}
	rows := vg.Length(0)
	for i, series := range c.Series {
		if series.Name == "" {
			continue
		}
		width := sample + gap + s.Width(series.Name)
		if rows == 0 {
			rows = 1
		} else if at.X+width > area.Max.X {
			at = vg.Point{X: area.Min.X, Y: at.Y - row}
			rows++
		}
		drawSample(area, at, series.Style, c.colorOf(i, colors))
		area.FillText(s, vg.Point{X: at.X + sample + gap, Y: at.Y}, series.Name)
		at.X += width + entryGap
	}
	if rows == 0 {
		return area
	}
	return draw.Crop(area, 0, 0, 0, -rows*row-2)
}

// drawSample draws a piece of a series as the legend shows it.
func drawSample(area draw.Canvas, at vg.Point, style Style, col int) {
	if style.isLine() {
		area.StrokeLine2(lineStyle(style, palette[col]), at.X, at.Y, at.X+sample, at.Y)
	}
	if style.hasPoints() {
		area.DrawGlyphNoClip(glyphStyle(style, col), vg.Point{X: at.X + sample/2, Y: at.Y})
	}
}
