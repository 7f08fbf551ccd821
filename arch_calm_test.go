package eddy_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// checkCalm finds what runs beside something else in code, or tests, that make test spares the race detector.
func checkCalm(fset *token.FileSet, s source) []string {
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "a goroutine"
		case *ast.SelectorExpr:
			if s.isTest() && (n.Sel.Name == "Parallel" || n.Sel.Name == "RunParallel") {
				what = "a parallel test"
			}
		}
		if what != "" {
			out = append(out, fmt.Sprintf("%s: %s in a package that is tested without the race detector", fset.Position(n.Pos()), what))
		}
		return true
	})
	return out
}

// TestMakefileSparesTheCalm holds the Makefile's list of packages that are tested without the race detector against the table.
func TestMakefileSparesTheCalm(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(makefile), "\nCALM = ")
	line, _, _ := strings.Cut(rest, "\n")
	got := strings.Fields(line)
	var want []string
	for _, r := range table {
		if r.calm {
			want = append(want, "./"+r.dir)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the Makefile spares %q the race detector, the table %q", got, want)
	}
}
