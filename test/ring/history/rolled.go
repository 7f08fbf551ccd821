package history

import (
	"fmt"
	"slices"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// RolledBack finds reads that returned less than an acknowledged write that had ended before they began: what a member that answers with what was
// true once must not achieve.
func RolledBack(ops []Op) (bad []error) {
	for _, w := range ops {
		if w.Outcome != OK || w.Kind == Get {
			continue
		}
		own, err := ringwire.ParseContext(w.Version)
		if err != nil {
			return []error{err}
		}
		for _, g := range ops {
			if g.Kind != Get || g.Key != w.Key || g.Invoke < w.Return || g.Outcome != OK && g.Outcome != NotFound {
				continue
			}
			if g.Outcome == NotFound && g.Version == "" && deleted(ops, g) {
				continue // which version it has seen is not told
			}
			if seen, err := ringwire.ParseContext(g.Version); err != nil || !seen.Includes(own) {
				bad = append(bad, fmt.Errorf("a get of %s at node %s returned less than %s %s, which was acknowledged before", g.Key, g.Node, w.Kind, w.Value))
			}
		}
	}
	return bad
}

// deleted reports whether a delete of what g read may have taken place before g ended.
func deleted(ops []Op, g Op) bool {
	return slices.ContainsFunc(ops, func(d Op) bool {
		return d.Kind == Delete && d.Key == g.Key && d.Invoke < g.Return && (d.Outcome == OK || d.Outcome == Unknown)
	})
}
