package course

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

var sweeps = flag.Bool("sweeps", false, "also draw the figures of docs/sim.md that take half a minute")

// TestSimPage runs the commands of docs/sim.md, and draws the figures of which the page says how.
func TestSimPage(t *testing.T) {
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	p, name := readPage(t, root, "sim.md")
	dir := t.TempDir()
	p.write(t, dir)
	images := filepath.Join(dir, "docs/img")
	if err := os.MkdirAll(images, 0o755); err != nil {
		t.Fatal(err)
	}
	scenarios, _ := filepath.Glob(filepath.Join(root, "docs/img/*.toml"))
	for _, from := range scenarios {
		copyFile(t, filepath.Join(images, filepath.Base(from)), from)
	}
	run(t, dir, slices.DeleteFunc(slices.Clone(p.blocks), func(b *block) bool { return b.kind == "slow" && testing.Short() }))
	compare(t, p, name)
	figures := p.figures()
	if len(figures) < 3 {
		t.Errorf("the page says of %d figures how they are drawn", len(figures))
	}
	for _, f := range figures {
		if strings.Contains(f.command, "sim sweep") && !*sweeps {
			continue
		}
		run(t, dir, []*block{{cmds: []*command{{text: f.command}}}})
		from, to := filepath.Join(dir, f.file), filepath.Join(root, f.file)
		if *update {
			copyFile(t, to, from)
		} else {
			sameFile(t, from, to)
		}
	}
}

// A figure is what a command in the text draws.
type figure struct{ command, file string }

var drawing = regexp.MustCompile("`(eddy [^`]*--plot\\s+(docs/img/[\\w-]+\\.svg))`")

// figures lists the figures of the text: `eddy ... --plot docs/img/NAME.svg`.
func (p *page) figures() (all []figure) {
	for _, m := range drawing.FindAllStringSubmatch(strings.Join(p.lines, "\n"), -1) {
		all = append(all, figure{command: strings.Join(strings.Fields(m[1]), " "), file: m[2]})
	}
	return all
}

// What differs from run to run of the same simulation is the line about it, and nothing else.
func TestSteady(t *testing.T) {
	const one = "digest  d81e\ntook        0.38 s of real time for 50.7 s of virtual time, peak memory 29.6 MB\n"
	const two = "digest  d81e\ntook        1m02s of real time for 50.7 s of virtual time, peak memory 1.2 GB\n"
	b := &block{}
	if !b.holds(&command{output: one, got: two}) {
		t.Errorf("%q is not %q", steady(one), steady(two))
	}
	for _, other := range []string{strings.Replace(one, "d81e", "d81f", 1), strings.Replace(one, "of real time", "in real time", 1), one + "more\n"} {
		if b.holds(&command{output: one, got: other}) {
			t.Errorf("taken for the same: %q", other)
		}
	}
}
