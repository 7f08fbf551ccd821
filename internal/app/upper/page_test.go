package upper

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/sockets.md shows the code as it is: each block of Go stands in a source file, each block of Python is one of the
// chapter's programs, and none of those is left out.
func TestPageShowsTheCode(t *testing.T) {
	read := func(pattern string) (texts []string) {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
		return texts
	}
	page := read("../../../docs/sockets.md")[0]
	source := strings.Join(read("*.go"), "\n")
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```(go|python)\n(.*?)```").FindAllStringSubmatch(page, -1) {
		if block[1] == "go" {
			shown++
			if !strings.Contains(source, block[2]) {
				t.Errorf("this is not in the code:\n%s", block[2])
			}
		}
	}
	for _, program := range read("testdata/*.py") {
		if !strings.Contains(page, "```python\n"+program+"```") {
			t.Errorf("the page does not show:\n%s", program)
		}
	}
	if shown < 4 {
		t.Errorf("%d blocks of Go, fewer than programs", shown)
	}
}
