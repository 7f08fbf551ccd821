package plot

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTerminal(t *testing.T) {
	const want = `
Least time <to> send 360 MB
hours
 3.5 ┤                                           ╭───
 3.0 ┤                                    ╭──────╯
 2.5 ┤                              ╭─────╯
 2.0 ┤                       ╭──────╯
 1.5 ┤                ╭──────╯
 1.0 ┤          ╭─────╯                       ┏━━━━━━
 0.5 ┤   ╭┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
   0 ┼━━━━┛
     └┬──────┬─────┬──────┬──────┬──────┬─────┬──────┬
      0      5    10     15     20     25    30     35
      peers
      ── client-server   ━━ P2P & friends
`
	got := "\n" + course().Terminal(56, 14)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%s", d, got)
	}
}

// Whatever is in the chart and however large the terminal: no crash, and the lines fit.
func TestTerminalFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-5, 5), rapid.Just(math.Inf(1)), rapid.Just(math.NaN()))
		c := Chart{LogX: rapid.Bool().Draw(t, "logx"), LogY: rapid.Bool().Draw(t, "logy"), YMin0: rapid.Bool().Draw(t, "zero")}
		for range rapid.IntRange(0, 9).Draw(t, "series") {
			n := rapid.IntRange(0, 30).Draw(t, "n")
			c.Series = append(c.Series, Series{X: rapid.SliceOfN(value, n, n).Draw(t, "x"), Y: rapid.SliceOfN(value, n, n).Draw(t, "y"),
				Style: Style(rapid.IntRange(0, int(Steps)).Draw(t, "style"))})
		}
		w, h := rapid.IntRange(-5, 120).Draw(t, "w"), rapid.IntRange(-5, 60).Draw(t, "h")
		got := c.Terminal(w, h)
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if len(lines) > max(h, minLines) {
			t.Fatalf("%d lines for a height of %d:\n%s", len(lines), h, got)
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) > max(w, minColumns) {
				t.Fatalf("%d columns for a width of %d:\n%s", utf8.RuneCountInString(l), w, got)
			}
		}
	})
}
