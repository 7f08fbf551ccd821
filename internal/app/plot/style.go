package plot

import (
	"fmt"
	"image/color"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// palette is Okabe and Ito's ("Color Universal Design", 2008) without its yellow, which is too pale for lines on white, and
// with a grey for its black. The first two are the farthest apart for every kind of vision.
var palette = []color.RGBA{
	rgb(0xD55E00), // vermilion
	rgb(0x0072B2), // blue
	rgb(0x009E73), // bluish green
	rgb(0xCC79A7), // reddish purple
	rgb(0xE69F00), // orange
	rgb(0x56B4E9), // sky blue
	rgb(0x595959), // grey
}

// glyphs are the shapes of points, one a colour as far as they go.
var glyphs = []draw.GlyphDrawer{
	draw.SquareGlyph{}, draw.CircleGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{}, draw.RingGlyph{}, draw.CrossGlyph{},
}

// The quiet colours around the data.
var (
	ink      = rgb(0x222222) // titles
	inkSoft  = rgb(0x555555) // labels of axes and ticks
	gridLine = rgb(0xE4E4E4)
	axisLine = rgb(0x9A9A9A)
	nothing  = rgb(0xEDEDED) // a cell without a value
)

// ramp is the sequential scale of heat maps, from few to many: one hue whose lightness only falls, so that it reads in grey too.
var ramp = []color.RGBA{rgb(0xF4F8FB), rgb(0xC6DCEC), rgb(0x85B6D6), rgb(0x3E86B8), rgb(0x115A8F), rgb(0x08305C)}

func rgb(v uint32) color.RGBA { return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xFF} }

// shade returns the ramp's colour at t, 0 to 1.
func shade(t float64) color.RGBA {
	t = min(max(t, 0), 1) * float64(len(ramp)-1)
	i := min(int(t), len(ramp)-2)
	t -= float64(i)
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-t) + float64(b)*t + 0.5) }
	a, b := ramp[i], ramp[i+1]
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xFF}
}

// isDark reports whether white text reads better than black on c.
func isDark(c color.RGBA) bool {
	return 0.299*float64(c.R)+0.587*float64(c.G)+0.114*float64(c.B) < 140
}

// Sizes of text in points.
const (
	titleSize  = 13
	legendSize = 10
	labelSize  = 10
	tickSize   = 9
)

// typeface is the family in the package's font cache; sans names it in a file for programs that bring their own fonts.
const (
	typeface = "Liberation"
	variant  = "Sans"
	inSVG    = "Liberation Sans"
	sans     = "'Liberation Sans',Arial,Helvetica,'DejaVu Sans',sans-serif"
)

// handler measures and draws text. The fonts are parsed at the first figure: most runs of eddy draw none.
var handler = sync.OnceValue(func() text.Handler {
	var all font.Collection
	for _, f := range []struct {
		weight xfont.Weight
		ttf    []byte
	}{{xfont.WeightNormal, liberationsansregular.TTF}, {xfont.WeightBold, liberationsansbold.TTF}} {
		face, err := opentype.Parse(f.ttf)
		if err != nil {
			panic(fmt.Sprintf("plot: the built-in font: %v", err)) // the binary itself is broken
		}
		all = append(all, font.Face{Font: font.Font{Typeface: typeface, Variant: variant, Weight: f.weight}, Face: face})
	}
	return text.Plain{Fonts: font.NewCache(all)}
})

// textStyle is text of a size and colour whose anchor is at (x, y) of its box: see text.XAlignment.
func textStyle(size vg.Length, c color.Color, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{
		Color: c, Font: font.Font{Typeface: typeface, Variant: variant, Size: size},
		XAlign: x, YAlign: y, Handler: handler(),
	}
}

// bold makes a style bold.
func bold(s text.Style) text.Style {
	s.Font.Weight = xfont.WeightBold
	return s
}

// fitted returns s with a smaller font if txt would be wider than room; no text gets smaller than 6 points.
func fitted(s text.Style, txt string, room vg.Length) text.Style {
	if w := s.Width(txt); w > room && w > 0 {
		s.Font.Size = max(6, s.Font.Size*room/w)
	}
	return s
}
