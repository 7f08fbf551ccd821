package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// course is the figure of the course: two curves over 0 to 35 peers.
func course() Chart {
	var n, cs, p2p []float64
	for i := range 36 {
		v := float64(i)
		n, cs = append(n, v), append(cs, v/10)
		p2p = append(p2p, max(min(v, 1)/10, v/(10+v)))
	}
	return Chart{Title: "Least time <to> send 360 MB", XLabel: "peers", YLabel: "hours", YMin0: true, Series: []Series{
		{Name: "client-server", X: n, Y: cs}, {Name: "P2P & friends", X: n, Y: p2p, Style: LinePoints}}}
}

// svgOf saves panels and returns what is in the file, which must be valid XML.
func svgOf(t *testing.T, panels ...Panel) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.svg")
	if err := Save(path, panels...); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return string(data)
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, data)
		}
	}
}

// texts returns what is written in an SVG file, in order.
func texts(svg string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?s)<text[^>]*>([^<]*)</text>`).FindAllStringSubmatch(svg, -1) {
		out = append(out, m[1])
	}
	return out
}

// lines returns the paths stroked in a colour of the palette.
func lines(svg string, color int) []string {
	c := palette[color]
	hex := "#" + strings.ToUpper(string([]byte{
		"0123456789abcdef"[c.R>>4], "0123456789abcdef"[c.R&15], "0123456789abcdef"[c.G>>4], "0123456789abcdef"[c.G&15],
		"0123456789abcdef"[c.B>>4], "0123456789abcdef"[c.B&15]}))
	var out []string
	for _, m := range regexp.MustCompile(`(?s)<path d="([^"]*)"\s+style="([^"]*)"`).FindAllStringSubmatch(svg, -1) {
		if strings.Contains(m[2], "stroke:"+hex) {
			out = append(out, m[1])
		}
	}
	return out
}

func TestChartSVG(t *testing.T) {
	svg := svgOf(t, course())
	got := texts(svg)
	for _, want := range []string{"Least time &lt;to&gt; send 360 MB", "peers", "hours", "client-server", "P2P &amp; friends", "0", "35", "1.5"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not written; got %q", want, got)
		}
	}
	for i := range 2 {
		// One path in the legend, one with all points of the series.
		if l := lines(svg, i); len(l) != 2 || strings.Count(l[1], "L") != 35 {
			t.Errorf("series %d: paths %v", i, l)
		}
	}
	if !strings.Contains(svg, "<title>Least time &lt;to&gt; send 360 MB</title>") || !strings.Contains(svg, "Arial") {
		t.Error("no title or no font that everybody has")
	}
	if again := svgOf(t, course()); again != svg {
		t.Error("the same data gave another file")
	}
}

func TestPNG(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.PNG")
	if err := Save(path, course(), course(), course()); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Size(); got.X != 2*1000 || got.Y != 2*640 {
		t.Errorf("three panels are %v", got)
	}
	if r, g, b, _ := img.At(img.Bounds().Dx()-100, img.Bounds().Dy()-100).RGBA(); r&g&b != 0xFFFF {
		t.Error("the place of the missing fourth panel is not white")
	}
}

// What cannot be shown leaves a gap.
func TestGaps(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	c := Chart{Series: []Series{{X: []float64{0, 1, 2, 3, 4, 5, 6}, Y: []float64{1, 2, nan, 3, inf, 4, 5}}}}
	if got := lines(svgOf(t, c), 0); len(got) != 3 {
		t.Errorf("two gaps make three lines, got %v", got)
	}
	c.Series[0].X[6] = -inf
	c.Series[0].Y[0] = -1
	c.LogY = true
	if got := lines(svgOf(t, c), 0); len(got) != 3 {
		t.Errorf("gaps and values that have no logarithm: %v", got)
	}
}

func TestNothingToDraw(t *testing.T) {
	nan := math.NaN()
	for _, c := range []Chart{{}, {LogX: true, LogY: true}, {Series: []Series{{Name: "x"}}},
		{Series: []Series{{X: []float64{nan, 1}, Y: []float64{1, nan}}}}, {LogY: true, Series: []Series{{X: []float64{1}, Y: []float64{0}}}}} {
		if got := texts(svgOf(t, c)); !slices.Contains(got, "no data") {
			t.Errorf("%+v: %q", c, got)
		}
		if got := c.Terminal(80, 20); !strings.Contains(got, "no data") {
			t.Errorf("%+v: %q", c, got)
		}
	}
	why := Chart{Empty: "nobody came"}
	if got := texts(svgOf(t, why)); !slices.Contains(got, "nobody came") || !strings.Contains(why.Terminal(80, 20), "nobody came") {
		t.Errorf("an empty chart that knows why: %q", got)
	}
	if got := texts(svgOf(t, Heatmap{})); !slices.Contains(got, "no data") {
		t.Errorf("empty heat map: %q", got)
	}
}

// Series of one name have one colour in all panels, and Color decides where it is set.
func TestColors(t *testing.T) {
	xy := []float64{0, 1}
	a := Chart{Series: []Series{{Name: "eddy", X: xy, Y: xy}, {Name: "bound", X: xy, Y: xy, Style: Dashed}}}
	b := Chart{Series: []Series{{Name: "bound", X: xy, Y: xy}, {Name: "other", Color: 6, X: xy, Y: xy}}}
	svg := svgOf(t, a, b)
	for color, want := range map[int]int{0: 2, 1: 4, 2: 0, 5: 2} {
		if got := len(lines(svg, color)); got != want {
			t.Errorf("color %d is used %d times, want %d", color, got, want)
		}
	}
}

// A dense line stays a small file with the same extremes.
func TestDenseLine(t *testing.T) {
	var x, y []float64
	for i := range 100_000 {
		x, y = append(x, float64(i)), append(y, math.Sin(float64(i)))
	}
	y[55_555] = 7
	svg := svgOf(t, Chart{Series: []Series{{X: x, Y: y, Style: Steps}}})
	if len(svg) > 200_000 {
		t.Errorf("%d bytes", len(svg))
	}
	points := strings.FieldsFunc(lines(svg, 0)[0], func(r rune) bool { return r == 'M' || r == 'L' })
	high, second := "", 0.0
	_, scaleY := Chart{Series: []Series{{X: x, Y: y}}}.scales()
	if scaleY.hi < 7 {
		t.Fatalf("scale ends at %v", scaleY.hi)
	}
	for _, p := range points {
		_, v, _ := strings.Cut(p, ",")
		if high == "" || len(v) > 0 && parse(t, v) > second {
			high, second = v, parse(t, v)
		}
	}
	if second < 200 { // the peak is near the top of the panel
		t.Errorf("the highest point is at %v", second)
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, tells := range map[string]string{"f.pdf": "cannot draw .pdf", "f": "cannot tell the format", "missing/f.svg": "no such file"} {
		err := Save(filepath.Join(dir, name), course())
		if err == nil || !strings.Contains(err.Error(), tells) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(dir, "f.svg")
	for _, bad := range []Panel{
		Chart{Series: []Series{{X: []float64{1}}}}, Chart{Series: []Series{{Color: -1}}},
		Heatmap{Rows: []string{"a"}}, Heatmap{Rows: []string{"a"}, Cols: []string{"b"}, Values: [][]float64{{1, 2}}},
	} {
		if err := Save(path, bad); err == nil {
			t.Errorf("%+v was drawn", bad)
		}
	}
	if err := Save(path); err == nil {
		t.Error("a figure of nothing was drawn")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// An existing figure is replaced in one step and keeps who may read it.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f.svg")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, course()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() < 1000 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHeatmap(t *testing.T) {
	h := Heatmap{Title: "who unchokes whom", XLabel: "to", YLabel: "from", Rows: []string{"fast", "slow"}, Cols: []string{"quick", "lazy"},
		Values: [][]float64{{12, 0.125}, {math.NaN(), 3}}}
	got := texts(svgOf(t, h))
	for _, want := range []string{"who unchokes whom", "to", "from", "fast", "slow", "quick", "lazy", "12", "0.125", "3"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not written; got %q", want, got)
		}
	}
}

// A line, a ring and a point at the same place all show: the ring is hollow, and wider than the point.
func TestRings(t *testing.T) {
	xy := func(name string, style Style) Series {
		return Series{Name: name, X: []float64{1, 2}, Y: []float64{3, 4}, Style: style, Color: 2}
	}
	alone, with := svgOf(t, Chart{Series: []Series{xy("", Points)}}), svgOf(t, Chart{Series: []Series{xy("", Points), xy("", Rings)}})
	if a, b := len(lines(alone, 1)), len(lines(with, 1)); a != 0 || b != 2 {
		t.Errorf("%d outlines of points, %d with rings around the two; want 0 and 2", a, b)
	}
	if ring, point := glyphStyle(Rings, 1).Radius, glyphStyle(Points, 1).Radius; ring < 1.5*point {
		t.Errorf("a ring of radius %v hides in a point of %v", ring, point)
	}
}
