package course

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestRingPage runs the commands of docs/ring.md that explain and simulate, and draws its figures.
func TestRingPage(t *testing.T) {
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	p, name := readPage(t, root, "ring.md")
	dir := t.TempDir()
	p.write(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, "docs/img"), 0o755); err != nil {
		t.Fatal(err)
	}
	live := !testing.Short() && canLive(t)
	run(t, dir, slices.DeleteFunc(slices.Clone(p.blocks), func(b *block) bool { return b.kind == "slow" && testing.Short() || b.kind == "live" && !live }))
	compare(t, p, name)
	figures := p.figures()
	if len(figures) < 3 {
		t.Errorf("the page says of %d figures how they are drawn", len(figures))
	}
	for _, f := range figures {
		run(t, dir, []*block{{cmds: []*command{{text: f.command}}}})
		from, to := filepath.Join(dir, f.file), filepath.Join(root, f.file)
		if *update {
			copyFile(t, to, from)
		} else {
			sameFile(t, from, to)
		}
	}
}
