package eddy_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"strings"
)

// checkMapRanges finds loops over maps in core: their order differs from run to run, and what they do may reach an
// output, so that two runs of one seed differ. A loop whose outcome does not depend on the order says why in a comment
// on its line that begins with "order:".
func checkMapRanges(fset *token.FileSet, sources []source) []string {
	h := house{fset: fset, dirs: map[string][]*ast.File{}, done: map[string]*types.Package{}}
	for _, s := range sources {
		if !s.isTest() && s.dir() != "." {
			h.dirs[s.dir()] = append(h.dirs[s.dir()], s.file)
		}
	}
	for _, s := range sources {
		if !s.isTest() && matches("internal/core/...", s.dir()) {
			h.pkg(s.dir())
		}
	}
	var out []string
	for _, s := range sources {
		if s.isTest() || !matches("internal/core/...", s.dir()) {
			continue
		}
		excused := orderComments(fset, s.file)
		names := importNames(s.file)
		ast.Inspect(s.file, func(n ast.Node) bool {
			loop, ok := n.(*ast.RangeStmt)
			if !ok {
				return true
			}
			pos := fset.Position(loop.Pos())
			if h.isMap(loop.X, names) && !excused[pos.Line] {
				out = append(out, fmt.Sprintf("%s: ranges over a map without an \"// order:\" comment", pos))
			}
			return true
		})
	}
	return out
}

func orderComments(fset *token.FileSet, f *ast.File) map[int]bool {
	out := map[int]bool{}
	for _, g := range f.Comments {
		for _, c := range g.List {
			if why, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(c.Text, "//")), "order:"); ok && strings.TrimSpace(why) != "" {
				out[fset.Position(c.Pos()).Line] = true
			}
		}
	}
	return out
}

// A house type-checks our own packages from their syntax alone. The standard library and other modules are unknown to
// it: what depends on them has no type here and is not judged, which costs no map that our own code declares.
type house struct {
	fset *token.FileSet
	dirs map[string][]*ast.File
	done map[string]*types.Package
	info types.Info
}

// Import makes a house the importer of its own packages.
func (h *house) Import(p string) (*types.Package, error) {
	if dir, ok := strings.CutPrefix(p, module+"/"); ok && h.dirs[dir] != nil {
		return h.pkg(dir), nil
	}
	empty := types.NewPackage(p, path.Base(p))
	empty.MarkComplete()
	return empty, nil
}

func (h *house) pkg(dir string) *types.Package {
	if p, ok := h.done[dir]; ok {
		return p
	}
	if h.info.Types == nil {
		h.info.Types = map[ast.Expr]types.TypeAndValue{}
	}
	conf := types.Config{Importer: h, Error: func(error) {}, // the compiler judges; here only the types count
		IgnoreFuncBodies: !matches("internal/core/...", dir)}
	p, _ := conf.Check(module+"/"+dir, h.fset, h.dirs[dir], &h.info)
	h.done[dir] = p
	return p
}

// isMap reports whether a loop over x visits a map's entries: x is a map, or maps.Keys, maps.Values or maps.All of one.
func (h *house) isMap(x ast.Expr, names map[string]string) bool {
	if call, ok := x.(*ast.CallExpr); ok {
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			id, ok := sel.X.(*ast.Ident)
			return ok && names[id.Name] == "maps" && (sel.Sel.Name == "Keys" || sel.Sel.Name == "Values" || sel.Sel.Name == "All")
		}
	}
	tv, ok := h.info.Types[x]
	if !ok || tv.Type == nil {
		return false
	}
	_, ok = tv.Type.Underlying().(*types.Map)
	return ok
}
