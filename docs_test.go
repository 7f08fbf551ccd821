package eddy_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the documents for people; paths in them are relative to the page.
var pages = []string{"README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/operations.md", "docs/sockets.md", "docs/course.md",
	"docs/plan.md", "docs/sim.md", "docs/lab.md", "docs/ring.md"}

var (
	mdLink = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)
	mdCode = regexp.MustCompile("`([^`\n]+)`")
	mdHead = regexp.MustCompile(`(?m)^#+ (.*)$`)
	goRef  = regexp.MustCompile(`^([\w./-]+\.go)(?::(\w+))?$`)
	goTest = regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w*$`)
)

// TestDocsNameWhatExists holds the pages against the tree: links lead somewhere, files that are named exist, functions
// and tests stand in the file before them.
func TestDocsNameWhatExists(t *testing.T) {
	files := goFiles(t)
	for _, page := range pages {
		text := read(t, page)
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			if why := checkLink(t, page, m[1], m[2]); why != "" {
				t.Errorf("%s: link %s: %s", page, m[0], why)
			}
		}
		var in []string // the files that the last reference to one can mean
		for _, m := range mdCode.FindAllStringSubmatch(text, -1) {
			name := m[1]
			if ref := goRef.FindStringSubmatch(name); ref != nil {
				if in = named(files, ref[1]); len(in) == 0 {
					t.Errorf("%s: there is no file %s", page, ref[1])
				}
				name = ref[2]
			} else if !goTest.MatchString(name) {
				name = ""
			}
			if name != "" && !declared(t, in, name) {
				t.Errorf("%s: %s is not in %s", page, name, strings.Join(in, " or "))
			}
		}
	}
}

// checkLink says what is wrong with a link of page, or "".
func checkLink(t *testing.T, page, target, anchor string) string {
	if strings.Contains(target, "://") {
		return ""
	}
	to := page
	if target != "" {
		to = path.Join(path.Dir(page), target)
		if _, err := os.Stat(to); err != nil {
			return err.Error()
		}
	}
	if anchor == "" {
		return ""
	}
	for _, m := range mdHead.FindAllStringSubmatch(read(t, to), -1) {
		if strings.ReplaceAll(strings.ToLower(m[1]), " ", "-") == anchor {
			return ""
		}
	}
	return to + " has no such heading"
}

// goFiles lists the Go files of the module with slashes.
func goFiles(t *testing.T) (files []string) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && skipDir(name, d.Name()) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") {
			files = append(files, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// named returns the files that a page may mean by a path, which may lack its first elements.
func named(files []string, ref string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		return f != ref && !strings.HasSuffix(f, "/"+ref)
	})
}

// declared reports whether one of the files declares a function or method of the name. A test that does not follow a file of
// tests may be anywhere in the tree.
func declared(t *testing.T, files []string, name string) bool {
	if goTest.MatchString(name) && !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") }) {
		files = slices.DeleteFunc(goFiles(t), func(f string) bool { return !strings.HasSuffix(f, "_test.go") })
	}
	decl := regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?` + regexp.QuoteMeta(name) + `\(`)
	return slices.ContainsFunc(files, func(f string) bool { return decl.MatchString(read(t, f)) })
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
