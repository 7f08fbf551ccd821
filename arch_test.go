// The house's rules as a test: which floor may import what, what pure code must not do, that each package says what it
// is for, and that each dependency has a reason in deps.txt. It parses and never builds, so that it fails first.
package eddy_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/eddy-p2p/eddy"

// A source is one Go file of the tree, its name relative to the module root with slashes.
type source struct {
	name string
	file *ast.File
}

func (s source) dir() string  { return path.Dir(s.name) }
func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// testing reports whether the file is never part of the program: a test, or a package that only tests import.
func (s source) testing() bool {
	return s.isTest() || matches("test/...", s.dir()) || s.dir() == "storage/storagetest"
}

// TestArchitecture holds the tree against the table.
func TestArchitecture(t *testing.T) {
	fset, sources := parseTree(t, ".")
	deps := readDeps(t, "deps.txt")
	for _, v := range checkTree(fset, sources, deps) {
		t.Error(v)
	}
}

// TestDependencies holds deps.txt against go.mod and against what the tree imports, in both directions.
func TestDependencies(t *testing.T) {
	_, sources := parseTree(t, ".")
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range checkDeps(readDeps(t, "deps.txt"), string(gomod), sources) {
		t.Error(v)
	}
}

// parseTree parses every Go file of this module: whole where the syntax matters, else the imports alone.
func parseTree(t *testing.T, root string) (*token.FileSet, []source) {
	t.Helper()
	fset, out := token.NewFileSet(), []source(nil)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && skipDir(name, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
			return nil
		}
		name = filepath.ToSlash(name)
		mode := parser.ImportsOnly | parser.ParseComments
		if r, ok := rowOf(path.Dir(name)); ok && (r.pure || r.noGo || r.calm) {
			mode = parser.ParseComments
		}
		f, err := parser.ParseFile(fset, name, nil, mode)
		if err != nil {
			return err
		}
		out = append(out, source{name, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, out
}

// skipDir leaves out what the go tool leaves out, and modules of their own.
func skipDir(name, base string) bool {
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor" ||
		base == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

// checkTree returns every violation of the table, sorted.
func checkTree(fset *token.FileSet, sources []source, deps depList) []string {
	var out []string
	for _, s := range sources {
		r, ok := rowOf(s.dir())
		if !ok {
			out = append(out, s.name+": package has no row in the table of arch_rules_test.go")
			continue
		}
		out = append(out, checkImports(r, s, deps)...)
		if !s.isTest() && (r.pure || r.noGo) {
			out = append(out, checkSyntax(fset, r, s)...)
		}
		if r.calm && (s.isTest() || !r.pure && !r.noGo) {
			out = append(out, checkCalm(fset, s)...)
		}
	}
	out = append(out, checkDocs(sources)...)
	out = append(out, checkMapRanges(fset, sources)...)
	slices.Sort(out)
	return out
}

// checkDocs finds packages that don't say what they are for. A test's comment counts where there are only tests.
func checkDocs(sources []source) []string {
	code, documented := map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		code[s.dir()] = code[s.dir()] || !s.isTest()
	}
	for _, s := range sources {
		if s.isTest() != code[s.dir()] {
			documented[s.dir()] = documented[s.dir()] || s.file.Doc != nil
		}
	}
	var out []string
	for dir := range code {
		if !documented[dir] {
			out = append(out, dir+": no package doc comment")
		}
	}
	return out
}

// checkImports holds the imports of one file against its row.
func checkImports(r row, s source, deps depList) []string {
	var out []string
	for _, spec := range s.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			out = append(out, s.name+": unreadable import "+spec.Path.Value)
			continue
		}
		if why := checkImport(r, s, p, deps); why != "" {
			out = append(out, fmt.Sprintf("%s: imports %s: %s", s.name, p, why))
		}
	}
	return out
}

// checkImport says why the file may not import p, or "".
func checkImport(r row, s source, p string, deps depList) string {
	own := p == module || strings.HasPrefix(p, module+"/")
	first, _, _ := strings.Cut(p, "/")
	switch {
	case own:
		name := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
		if name == "" {
			name = "."
		}
		switch {
		case matchesAny(r.ours, name), s.isTest() && name == s.dir():
		case s.isTest() && r.laxTests && matchesAny(belowApp, name):
		default:
			return "this floor may not import it"
		}
	case !strings.Contains(first, "."): // the standard library
		if !s.isTest() && matchesAny(r.banned, p) && !matchesAny(r.allowed, p) {
			return "banned on this floor"
		}
		if p == "C" {
			return "no cgo"
		}
	default:
		d, ok := deps.find(p)
		switch {
		case !ok:
			return "its module is not in deps.txt"
		case s.testing():
		case d.test:
			return "deps.txt lists its module for tests alone"
		case !r.modules && !slices.Contains(r.only, d.path):
			return "this floor takes no dependencies"
		}
	}
	return ""
}

// checkSyntax finds goroutines, channels, clocks and global randomness in pure code.
func checkSyntax(fset *token.FileSet, r row, s source) []string {
	var out []string
	say := func(n ast.Node, what string) {
		out = append(out, fmt.Sprintf("%s: %s in pure code", fset.Position(n.Pos()), what))
	}
	names := importNames(s.file)
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			say(n, "goroutine")
		case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
			if r.pure {
				say(n, "channel")
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && r.pure {
				say(n, "channel")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || x.Obj != nil || !r.pure { // Obj: a local name that shadows the package
				break
			}
			switch p := names[x.Name]; {
			case p == "time" && impureTime[n.Sel.Name]:
				say(n, "clock time."+n.Sel.Name)
			case (p == "math/rand" || p == "math/rand/v2") && !seededRand[n.Sel.Name]:
				say(n, "global generator rand."+n.Sel.Name)
			}
		}
		return true
	})
	return out
}

// importNames maps the name by which a file knows a package to its path.
func importNames(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if name == "v2" {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		out[name] = p
	}
	return out
}

// A dep is one line of deps.txt.
type dep struct {
	path, version, reason string
	test                  bool // only tests may import it
}

type depList []dep

// find returns the module that holds package p: the longest that is a prefix.
func (l depList) find(p string) (dep, bool) {
	var best dep
	for _, d := range l {
		if (p == d.path || strings.HasPrefix(p, d.path+"/")) && len(d.path) > len(best.path) {
			best = d
		}
	}
	return best, best.path != ""
}

func readDeps(t *testing.T, name string) depList {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseDeps(string(b))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return l
}

// parseDeps reads lines of "module version reason"; a line "test" alone begins the modules that only tests import.
func parseDeps(text string) (depList, error) {
	var out depList
	test := false
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case len(f) == 1 && f[0] == "test":
			test = true
		case len(f) < 3:
			return nil, fmt.Errorf("line %d: want a module, its version and the reason for it", i+1)
		default:
			out = append(out, dep{f[0], f[1], strings.Join(f[2:], " "), test})
		}
	}
	return out, nil
}

// checkDeps compares deps.txt with go.mod's requirements and with the modules that the tree really imports.
func checkDeps(deps depList, gomod string, sources []source) []string {
	var out []string
	used, usedByTest := map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		for _, spec := range s.file.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			if d, ok := deps.find(p); ok {
				if s.testing() {
					usedByTest[d.path] = true
				} else {
					used[d.path] = true
				}
			}
		}
	}
	versions, direct := requirements(gomod)
	for _, d := range deps {
		switch {
		case versions[d.path] == "":
			out = append(out, d.path+": in deps.txt but not in go.mod")
		case versions[d.path] != d.version:
			out = append(out, fmt.Sprintf("%s: deps.txt says %s, go.mod %s", d.path, d.version, versions[d.path]))
		}
		switch {
		case d.test && used[d.path]:
			out = append(out, d.path+": listed for tests alone, but the program imports it")
		case d.test && !usedByTest[d.path], !d.test && !used[d.path]:
			out = append(out, d.path+": in deps.txt but nothing imports it")
		}
	}
	for _, m := range direct {
		if d, ok := deps.find(m); !ok || d.path != m {
			out = append(out, m+": a direct requirement of go.mod without a line in deps.txt")
		}
	}
	slices.Sort(out)
	return out
}

// requirements reads go.mod's require lines: the version of each module, and which are direct.
func requirements(gomod string) (versions map[string]string, direct []string) {
	versions = map[string]string{}
	block := false
	for sc := bufio.NewScanner(strings.NewReader(gomod)); sc.Scan(); {
		line, comment, _ := strings.Cut(sc.Text(), "//")
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "require" && f[1] == "(":
			block = true
			continue
		case len(f) == 1 && f[0] == ")":
			block = false
		case len(f) == 3 && f[0] == "require":
			f = f[1:]
		case !block:
			continue
		}
		if len(f) == 2 {
			versions[f[0]] = f[1]
			if strings.TrimSpace(comment) != "indirect" {
				direct = append(direct, f[0])
			}
		}
	}
	return versions, direct
}
