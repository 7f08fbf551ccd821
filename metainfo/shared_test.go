package metainfo

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sharedData finds a file of the shared test data, or skips the test.
func sharedData(t testing.TB, name string) string {
	t.Helper()
	roots := []string{os.Getenv("EDDY_SHARED")}
	for dir, _ := os.Getwd(); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			roots = append(roots, filepath.Join(filepath.Dir(dir), "shared"))
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, r := range roots {
		if p := filepath.Join(r, "data", name); r != "" {
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	t.Skipf("shared test data %s is not there (set EDDY_SHARED)", name)
	return ""
}

// table reads a TSV file, comments and the heading left out; missing cells are empty.
func table(t testing.TB, name string, columns int) [][]string {
	t.Helper()
	raw, err := os.ReadFile(sharedData(t, name))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for _, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		for len(f) < columns {
			f = append(f, "")
		}
		rows = append(rows, f)
	}
	return rows[1:]
}

// unescape decodes C escapes; \0 is the only octal one.
func unescape(t testing.TB, s string) string {
	t.Helper()
	out, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(s, `"`, `\"`), `\0`, `\x00`) + `"`)
	if err != nil {
		t.Fatalf("unquoting %q: %v", s, err)
	}
	return out
}
