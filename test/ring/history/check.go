package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Final is what one node says of one key when no client has asked for anything for a while. No values: not found.
type Final struct {
	Node, Key string
	Outcome   Outcome // OK or NotFound; anything else is a violation by itself
	Values    []string
	Version   string
}

// Check returns what a history and the reads after it violate, in the order:
//
//  1. each acknowledged write is returned, causally overwritten, or a sibling;
//  2. no value is read that nobody wrote;
//  3. an acknowledged delete without a concurrent write stays deleted: what was acknowledged before the delete began, by the clock, or what the delete's
//     version includes, is not there at the end, even if both were asked for on different sides of a partition;
//  4. all nodes return the same;
//  6. a session that passes its version reads its writes.
//
// Its fifth promise is Linearizable's.
func Check(ops []Op, finals []Final) (violations []error) {
	c := &checker{ops: ops, writes: map[string][]*Op{}, byValue: map[string]*Op{}}
	for i := range ops {
		if op := &ops[i]; op.Kind != Get {
			c.writes[op.Key] = append(c.writes[op.Key], op)
			if op.Kind == Put {
				c.byValue[op.Value] = op
			}
		}
	}
	c.identical(finals)
	for i := range finals {
		c.final(&finals[i])
	}
	for i := range ops {
		c.read(&ops[i])
	}
	return c.bad
}

type checker struct {
	ops     []Op
	writes  map[string][]*Op
	byValue map[string]*Op
	bad     []error
}

func (c *checker) report(format string, args ...any) {
	c.bad = append(c.bad, fmt.Errorf(format, args...))
}

// version is the context behind a version's text. Text that no node makes covers nothing, which is a violation where it matters.
func version(s string) ringwire.Context {
	v, err := ringwire.ParseContext(s)
	if err != nil {
		return nil
	}
	return v
}

// identical holds promise 4.
func (c *checker) identical(finals []Final) {
	first := map[string]*Final{}
	for i := range finals {
		f := &finals[i]
		slices.Sort(f.Values)
		g := first[f.Key]
		if g == nil {
			first[f.Key] = f
			continue
		}
		if f.Outcome != g.Outcome || !slices.Equal(f.Values, g.Values) {
			c.report("replicas differ (4): key %s is %s %s at node %s, %s %s at node %s", f.Key, g.Outcome, list(g.Values), g.Node, f.Outcome, list(f.Values), f.Node)
		}
	}
}

func list(values []string) string { return "[" + strings.Join(values, " ") + "]" }

// final holds promises 1 to 3 for what one node returns at the end.
func (c *checker) final(f *Final) {
	if f.Outcome != OK && f.Outcome != NotFound {
		c.report("key %s at node %s after quiescence: %s", f.Key, f.Node, f.Outcome)
		return
	}
	for _, v := range f.Values {
		c.phantom(f.Key, v, forever, "node "+f.Node+" at the end")
		c.resurrected(f, v)
	}
	for _, w := range c.writes[f.Key] {
		if w.Outcome == OK && w.Kind == Put && !slices.Contains(f.Values, w.Value) && !c.overwritten(w, f) {
			c.report("acknowledged write lost (1): put %s = %s (version %s) at node %s, which returns %s", f.Key, w.Value, w.Version, f.Node, list(f.Values))
		}
	}
}

// overwritten reports whether a write that is not there was overwritten: somebody else wrote with knowledge of it. An unknown write
// may have, if it shows: a value that is there, or a delete.
func (c *checker) overwritten(w *Op, f *Final) bool {
	own := version(w.Version)
	if final := version(f.Version); len(final) > 0 && !final.Includes(own) {
		return false
	}
	for _, o := range c.writes[f.Key] {
		switch {
		case o == w || o.Outcome == Refused || o.Outcome == Conflict || o.Outcome == NotFound:
		case o.Outcome == Unknown:
			if o.Kind == Delete || slices.Contains(f.Values, o.Value) {
				return true
			}
		case o.Version == "" && o.Return > w.Invoke: // an interface that tells no versions of deletes
			return true
		case version(o.Version).Includes(own):
			return true
		}
	}
	return false
}

// phantom holds promise 2.
func (c *checker) phantom(key, value string, at int64, where string) {
	w := c.byValue[value]
	switch {
	case w == nil || w.Key != key:
		c.report("phantom (2): %s returned %s = %s, which nobody wrote", where, key, value)
	case w.Outcome == Conflict || w.Outcome == Refused:
		c.report("phantom (2): %s returned %s = %s, whose write was refused: %s", where, key, value, w.Outcome)
	case w.Invoke > at:
		c.report("phantom (2): %s returned %s = %s before it was written", where, key, value)
	}
}

// resurrected holds promise 3.
func (c *checker) resurrected(f *Final, value string) {
	w := c.byValue[value]
	if w == nil || w.Outcome != OK {
		return // an unknown write may take place after the delete
	}
	for _, d := range c.writes[f.Key] {
		if d.Kind != Delete || d.Outcome != OK {
			continue
		}
		if w.Return < d.Invoke || d.Version != "" && version(d.Version).Includes(version(w.Version)) {
			c.report("deleted value returned (3): %s = %s at node %s was acknowledged before a delete at node %s that was acknowledged too", f.Key, value, f.Node, d.Node)
		}
	}
}

// read holds promise 2 and 6 for one operation.
func (c *checker) read(op *Op) {
	if op.Kind == Get {
		for _, v := range op.Values {
			c.phantom(op.Key, v, op.Return, "a get at node "+op.Node)
		}
	}
	if op.Session == "" {
		return
	}
	told := op.Outcome == OK || op.Kind == Get && op.Outcome == NotFound
	switch {
	case told && op.Version != "" && !version(op.Version).Includes(version(op.Session)):
		c.report("session went back (6): %s %s at node %s returned a version without the client's own: %s", op.Kind, op.Key, op.Node, op.Outcome)
	case told && op.Version == "" && op.Outcome == NotFound && !c.maybeDeleted(op): // an interface that tells no versions of what is not there
		c.report("session went back (6): get %s at node %s found nothing, and nobody deleted it", op.Key, op.Node)
	}
}

// maybeDeleted reports whether a delete of the key may have taken place before an operation returned.
func (c *checker) maybeDeleted(op *Op) bool {
	return slices.ContainsFunc(c.writes[op.Key], func(d *Op) bool {
		return d.Kind == Delete && (d.Outcome == OK || d.Outcome == Unknown) && d.Invoke < op.Return
	})
}
