package eddy_test

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestArchitectureCatches feeds the checker sources that break one rule each, and a lawful neighbour of each: a checker
// that finds nothing proves nothing.
func TestArchitectureCatches(t *testing.T) {
	deps, err := parseDeps("golang.org/x/text v1 NFC\ngo.etcd.io/bbolt v1 state\ntest\nexample.org/rapid v1 properties\n")
	if err != nil {
		t.Fatal(err)
	}
	const doc = "// Package x is documented.\n"
	for _, c := range []struct {
		what, name, body string
		want             string // part of the one violation; "" for none
	}{
		{"core imports a sibling", "internal/core/swarm/a.go", `import "` + module + `/internal/core/pick"`, ""},
		{"core imports drive", "internal/core/swarm/a.go", `import "` + module + `/internal/drive/peer"`, "may not import"},
		{"core's test imports drive", "internal/core/swarm/a_test.go", `import "` + module + `/internal/drive/peer"`, "may not import"},
		{"core's test imports os", "internal/core/swarm/a_test.go", `import "os"`, ""},
		{"core imports netip", "internal/core/swarm/a.go", `import "net/netip"`, ""},
		{"core imports net", "internal/core/swarm/a.go", `import "net"`, "banned"},
		{"core imports atomics", "internal/core/swarm/a.go", `import "sync/atomic"`, "banned"},
		{"core imports a module", "internal/core/swarm/a.go", `import "go.etcd.io/bbolt"`, "takes no dependencies"},
		{"core starts a goroutine", "internal/core/pick/a.go", "func f() { go f() }", "goroutine"},
		{"core makes a channel", "internal/core/pick/a.go", "var c = make(chan int)", "channel"},
		{"core receives", "internal/core/pick/a.go", "func f() { <-c }", "channel"},
		{"core selects", "internal/core/pick/a.go", "func f() { select {} }", "channel"},
		{"core reads a duration", "internal/core/pick/a.go", "import \"time\"\nvar d = 3*time.Second", ""},
		{"core reads the clock", "internal/core/pick/a.go", "import \"time\"\nvar d = time.Now()", "time.Now"},
		{"core reads the clock under another name", "internal/core/pick/a.go", "import tm \"time\"\nvar d = tm.Now()", "time.Now"},
		{"core sleeps", "internal/core/pick/a.go", "import \"time\"\nfunc f() { time.Sleep(1) }", "time.Sleep"},
		{"core has its own generator", "internal/core/pick/a.go", "import \"math/rand/v2\"\nvar r = rand.New(rand.NewPCG(1, 2))", ""},
		{"core uses the global generator", "internal/core/pick/a.go", "import \"math/rand/v2\"\nvar r = rand.IntN(3)", "rand.IntN"},
		{"a parameter named rand", "internal/core/pick/a.go", "import \"math/rand/v2\"\nfunc f(rand *rand.Rand) int { return rand.IntN(3) }", ""},
		{"core ranges over a slice", "internal/core/pick/a.go", "var s []int\nfunc f() { for range s {} }", ""},
		{"core ranges over a map", "internal/core/pick/a.go", "var m map[int]int\nfunc f() { for range m {} }", "ranges over a map"},
		{"core ranges over a map of another's type", "internal/core/pick/a.go",
			"import \"net/netip\"\ntype t struct { m map[netip.Addr]int }\nfunc (x *t) f() { for range x.m {} }", "ranges over a map"},
		{"core ranges over keys", "internal/core/pick/a.go", "import \"maps\"\nvar m map[int]int\nfunc f() { for range maps.Keys(m) {} }", "ranges over a map"},
		{"core explains", "internal/core/pick/a.go", "var m map[int]int\nfunc f() {\nfor range m { // order: a sum\n}\n}", ""},
		{"core explains nothing", "internal/core/pick/a.go", "var m map[int]int\nfunc f() {\nfor range m { // order:\n}\n}", "ranges over a map"},
		{"core's test starts a goroutine", "internal/core/pick/a_test.go", "func f() { go f() }", "without the race detector"},
		{"core's test is parallel", "internal/core/pick/a_test.go", "import \"testing\"\nfunc TestA(t *testing.T) { t.Parallel() }", "without the race detector"},
		{"a simulator starts a goroutine", "internal/sim/piece/a.go", "func f() { go f() }", "without the race detector"},
		{"a sweep starts a goroutine", "internal/sim/a.go", "func f() { go f() }", ""},
		{"format logs", "internal/format/wire/a.go", `import "log/slog"`, "banned"},
		{"format imports core", "internal/format/wire/a.go", `import "` + module + `/internal/core/pick"`, "may not import"},
		{"metainfo normalises", "metainfo/a.go", `import "golang.org/x/text/unicode/norm"`, ""},
		{"metainfo opens", "metainfo/a.go", `import "os"`, "banned"},
		{"metainfo starts a goroutine", "metainfo/a.go", "func f() { go f() }", "goroutine"},
		{"bencode imports metainfo", "bencode/a.go", `import "` + module + `/metainfo"`, "may not import"},
		{"storage knows peers", "storage/a.go", `import "` + module + `/internal/drive/peer"`, "may not import"},
		{"engine imports disk", "internal/drive/engine/a.go", `import "` + module + `/internal/drive/disk"`, ""},
		{"disk imports peer", "internal/drive/disk/a.go", `import "` + module + `/internal/drive/peer"`, "may not import"},
		{"disk imports netx", "internal/drive/disk/a.go", `import "` + module + `/internal/drive/netx"`, ""},
		{"disk's test imports peer", "internal/drive/disk/a_test.go", `import "` + module + `/internal/drive/peer"`, ""},
		{"drive uses bbolt", "internal/drive/disk/a.go", `import "go.etcd.io/bbolt"`, ""},
		{"drive uses what is unlisted", "internal/drive/disk/a.go", `import "example.org/other"`, "not in deps.txt"},
		{"drive uses a test module", "internal/drive/disk/a.go", `import "example.org/rapid"`, "for tests alone"},
		{"drive's test uses a test module", "internal/drive/disk/a_test.go", `import "example.org/rapid"`, ""},
		{"sim opens a socket", "internal/sim/a.go", `import "net"`, "banned"},
		{"sim imports storage", "internal/sim/a.go", `import "` + module + `/storage"`, "may not import"},
		{"theory imports core", "internal/theory/a.go", `import "` + module + `/internal/core/pick"`, "may not import"},
		{"app imports the tracker", "internal/app/cli/a.go", `import "` + module + `/internal/drive/tracker"`, ""},
		{"app imports the engine", "internal/app/cli/a.go", `import "` + module + `/internal/drive/engine"`, "may not import"},
		{"app imports core", "internal/app/cli/a.go", `import "` + module + `/internal/core/pick"`, "may not import"},
		{"the library imports app", "eddy.go", `import "` + module + `/internal/app/cli"`, "may not import"},
		{"a test imports app", "test/chaos/a_test.go", `import "` + module + `/internal/app/cli"`, "may not import"},
		{"the tests' harness uses a test module", "test/harness/a.go", `import "example.org/rapid"`, ""},
		{"cgo", "internal/drive/disk/a.go", `import "C"`, "no cgo"},
		{"an unknown package", "internal/util/a.go", "", "no row"},
	} {
		t.Run(strings.ReplaceAll(c.what, " ", "-"), func(t *testing.T) {
			got := checkSynthetic(t, c.name, doc+"package x\n"+c.body+"\n", deps)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("lawful source rejected: %q", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q, want one violation with %q", got, c.want)
			}
		})
	}
	if got := checkSynthetic(t, "bencode/a.go", "package bencode\n", deps); len(got) != 1 || !strings.Contains(got[0], "doc comment") {
		t.Errorf("a package without a doc comment: got %q", got)
	}
}

func checkSynthetic(t *testing.T, name, src string, deps depList) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return checkTree(fset, []source{{name, f}}, deps)
}

// TestDependenciesCatches does the same for deps.txt: each line below breaks one rule of the list.
func TestDependenciesCatches(t *testing.T) {
	const gomod = "module x\n\nrequire (\n\ta.org/one v1.0.0\n\ta.org/two v1.0.0 // indirect\n)\nrequire a.org/three v1.0.0\n"
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport _ \"a.org/one/sub\"\n", parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	sources := []source{{"internal/drive/x.go", f}}
	for _, c := range []struct {
		deps string
		want []string
	}{
		{"a.org/one v1.0.0 why\n", []string{"a.org/three: a direct requirement"}},
		{"a.org/one v2.0.0 why\n", []string{"deps.txt says v2.0.0", "a.org/three: a direct"}},
		{"a.org/one v1.0.0 why\na.org/three v1.0.0 why\n", []string{"a.org/three: in deps.txt but nothing imports"}},
		{"a.org/one v1.0.0 why\na.org/four v1.0.0 why\n", []string{"a.org/three", "nothing imports", "not in go.mod"}},
		{"test\na.org/one v1.0.0 why\n", []string{"a.org/three: a direct", "the program imports it"}},
	} {
		deps, err := parseDeps(c.deps)
		if err != nil {
			t.Fatal(err)
		}
		got := checkDeps(deps, gomod, sources)
		if len(got) != len(c.want) {
			t.Errorf("%q: got %q, want %q", c.deps, got, c.want)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(strings.Join(got, "\n"), w) {
				t.Errorf("%q: got %q, want one with %q", c.deps, got, w)
			}
		}
	}
	if _, err := parseDeps("a.org/one v1.0.0\n"); err == nil {
		t.Error("a dependency without a reason was accepted")
	}
}
