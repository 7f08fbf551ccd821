package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of a panel in points (1/72 inch), and the resolution of PNG files.
const (
	panelWidth  = vg.Length(500)
	panelHeight = vg.Length(320)
	dpi         = 144
)

// CheckPath reports whether Save can write to path as far as its name tells.
func CheckPath(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg", ".png":
		return nil
	case "":
		return fmt.Errorf("cannot tell the format of %s: want a name that ends in .svg or .png", path)
	}
	return fmt.Errorf("cannot draw %s files: want a name that ends in .svg or .png", filepath.Ext(path))
}

// Save draws panels into one file, SVG or PNG by its extension. The file is complete or not there: an existing one is
// replaced in one step. Symbolic links are followed; what is no file, as a device, is written to. Errors of the file system name path.
func Save(path string, panels ...Panel) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	if len(panels) == 0 {
		return errors.New("drawing a figure: no panels")
	}
	for _, p := range panels {
		if err := p.validate(); err != nil {
			return fmt.Errorf("drawing a figure: %w", err)
		}
	}
	var data bytes.Buffer
	var err error
	if strings.EqualFold(filepath.Ext(path), ".svg") {
		err = renderSVG(&data, panels)
	} else {
		err = renderPNG(&data, panels)
	}
	if err != nil {
		return fmt.Errorf("drawing a figure: %w", err)
	}
	return write(path, data.Bytes())
}

// size returns the grid for panels and the size of the figure. Two stand one above the other, since figures are read in pages.
func size(panels []Panel) (cols, rows int, w, h vg.Length) {
	n := len(panels)
	cols = 1
	if n > 2 {
		cols = int(math.Ceil(math.Sqrt(float64(n))))
	}
	rows = (n + cols - 1) / cols
	w, h = panelWidth, panelHeight
	for _, p := range panels {
		if own, ok := p.(interface{ extent() (w, h vg.Length) }); ok {
			ow, oh := own.extent()
			w, h = max(w, ow), max(h, oh)
			if n == 1 {
				w = ow
			}
		}
	}
	return cols, rows, vg.Length(cols) * w, vg.Length(rows) * h
}

// paint draws panels in rows.
func paint(c vg.CanvasSizer, panels []Panel) {
	cols, rows, _, _ := size(panels)
	whole := draw.New(c)
	whole.SetColor(rgb(0xFFFFFF))
	whole.Fill(whole.Rectangle.Path())
	colors := map[string]int{}
	for _, p := range panels {
		for _, name := range p.names() {
			if _, known := colors[name]; !known {
				colors[name] = len(colors)
			}
		}
	}
	tiles := draw.Tiles{Cols: cols, Rows: rows}
	for i, p := range panels {
		p.draw(tiles.At(whole, i%cols, i/cols), colors)
	}
}

func renderPNG(out *bytes.Buffer, panels []Panel) error {
	_, _, w, h := size(panels)
	c := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(dpi))
	paint(c, panels)
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(out)
	return err
}

func renderSVG(out *bytes.Buffer, panels []Panel) error {
	_, _, w, h := size(panels)
	c := vgsvg.New(w, h)
	paint(c, panels)
	var raw bytes.Buffer
	if _, err := c.WriteTo(&raw); err != nil {
		return err
	}
	// The canvas names one font. A browser without it would take one with serifs and other widths.
	text := strings.ReplaceAll(raw.String(), "font-family:"+inSVG+";", "font-family:"+sans+";")
	// A title is what a screen reader says and what a pointer shows.
	var titles []string
	for _, p := range panels {
		if t := p.title(); t != "" {
			titles = append(titles, t)
		}
	}
	if head := strings.Index(text, `xlink">`); head >= 0 && len(titles) > 0 {
		head += len(`xlink"`)
		var name bytes.Buffer
		if err := xml.EscapeText(&name, []byte(strings.Join(titles, "; "))); err != nil {
			return err
		}
		text = text[:head] + ` role="img">` + "\n<title>" + name.String() + "</title>" + text[head+1:]
	}
	out.WriteString(text)
	return nil
}
