package ringwire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Writer names the host that coordinated a write: the SHA-256 of its public key.
type Writer [32]byte

// Dot names one write for ever. Counters of one writer grow within an Epoch, which grows durably with each start of the host. A
// writer's dots are ordered, first by epoch, then by counter.
type Dot struct {
	Writer  Writer
	Epoch   uint32 // from 1
	Counter uint64 // from 1
}

// dotSize is the length of a dot's canonical bytes.
const dotSize = 32 + 4 + 8

// after orders the dots of one writer.
func (d Dot) after(e Dot) bool {
	return d.Epoch > e.Epoch || d.Epoch == e.Epoch && d.Counter > e.Counter
}

// Compare orders dots: by writer, epoch, counter.
func (d Dot) Compare(e Dot) int {
	if c := bytes.Compare(d.Writer[:], e.Writer[:]); c != 0 {
		return c
	}
	switch {
	case d.after(e):
		return 1
	case e.after(d):
		return -1
	}
	return 0
}

func (d Dot) append(b []byte) []byte {
	b = append(b, d.Writer[:]...)
	b = binary.BigEndian.AppendUint32(b, d.Epoch)
	return binary.BigEndian.AppendUint64(b, d.Counter)
}

// dot takes a dot. A context's entry may have the counter 0: all earlier epochs.
func (r *Reader) dot() Dot {
	return Dot{Writer: Writer(r.Fixed(32)), Epoch: r.Uint32(), Counter: r.Uint64()}
}

// MaxContext bounds the writers in a context, and so the hosts through which one key may be written between its creation and
// the end of its last tombstone.
const MaxContext = 512

// Context is a version vector: per writer the latest dot whose write was seen; it covers that writer's earlier ones too. That is sound
// because each write of a host to a key overwrites all its earlier writes to it by definition: its own entry in the version's
// context says so. Sorted by writer, one entry a writer. The zero Context covers nothing. Values are shared: never change one in place.
type Context []Dot

// Entry is what c has of a writer; the zero Dot if nothing.
func (c Context) Entry(w Writer) Dot {
	i, ok := slices.BinarySearchFunc(c, w, func(d Dot, w Writer) int { return bytes.Compare(d.Writer[:], w[:]) })
	if !ok {
		return Dot{}
	}
	return c[i]
}

// Covers reports whether the write d was seen.
func (c Context) Covers(d Dot) bool {
	e := c.Entry(d.Writer)
	return e.Writer == d.Writer && !d.after(e)
}

// Includes reports whether c covers all that o covers.
func (c Context) Includes(o Context) bool {
	for _, d := range o {
		if !c.Covers(d) {
			return false
		}
	}
	return true
}

// Join covers what c or o covers.
func (c Context) Join(o Context) Context {
	switch {
	case c.Includes(o):
		return c
	case o.Includes(c):
		return o
	}
	out := make(Context, 0, len(c)+len(o))
	for len(c) > 0 && len(o) > 0 {
		switch w := bytes.Compare(c[0].Writer[:], o[0].Writer[:]); {
		case w < 0:
			out, c = append(out, c[0]), c[1:]
		case w > 0:
			out, o = append(out, o[0]), o[1:]
		default:
			d := c[0]
			if o[0].after(d) {
				d = o[0]
			}
			out, c, o = append(out, d), c[1:], o[1:]
		}
	}
	return append(append(out, c...), o...)
}

// joinAll joins n contexts, by halves: one after the other would take the square of their number where none covers another, and who writes a record decides
// how many there are.
func joinAll(n int, at func(i int) Context) Context {
	switch n {
	case 0:
		return nil
	case 1:
		return at(0)
	}
	half := n / 2
	return joinAll(half, at).Join(joinAll(n-half, func(i int) Context { return at(half + i) }))
}

// coverage is a context that grows: adding to it takes the time of what is added.
type coverage map[Writer]Dot

func (c coverage) add(o Context) {
	for _, d := range o {
		if e, ok := c[d.Writer]; !ok || d.after(e) {
			c[d.Writer] = d
		}
	}
}

// includes reports whether it covers all that o covers.
func (c coverage) includes(o Context) bool {
	for _, d := range o {
		if e, ok := c[d.Writer]; !ok || d.after(e) {
			return false
		}
	}
	return true
}

// With is c and the dot d.
func (c Context) With(d Dot) Context { return c.Join(Context{d}) }

// Equal reports whether both cover the same.
func (c Context) Equal(o Context) bool { return slices.Equal(c, o) }

// Append appends the canonical bytes.
func (c Context) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c)))
	for _, d := range c {
		b = d.append(b)
	}
	return b
}

// Context takes a context, which must be sorted.
func (r *Reader) Context() Context {
	n := r.Count(dotSize)
	if n > MaxContext {
		r.Fail()
	}
	if n == 0 || r.bad {
		return nil
	}
	c := make(Context, n)
	for i := range c {
		c[i] = r.dot()
		if i > 0 && bytes.Compare(c[i-1].Writer[:], c[i].Writer[:]) >= 0 {
			r.Fail()
		}
	}
	if r.bad {
		return nil
	}
	return c
}

// versionText precedes the bytes of a version that users hold, so that a later format can be told from this one.
const versionText = 1

// String is the context as users hold it: opaque text that comes back with --if-version. "" for the zero Context.
func (c Context) String() string {
	if len(c) == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(c.Append([]byte{versionText}))
}

// ParseContext is the inverse of String.
func ParseContext(s string) (Context, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) > base64.RawURLEncoding.EncodedLen(4+MaxContext*dotSize) {
		return nil, fmt.Errorf("%w version: %d characters", ErrMalformed, len(s))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != versionText || strings.ContainsAny(s, "\r\n") { // base64 skips line ends

		return nil, fmt.Errorf("%w version %.20q", ErrMalformed, s)
	}
	r := NewReader(b[1:])
	c := r.Context()
	if err := r.Done(); err != nil || len(c) == 0 {
		return nil, fmt.Errorf("%w version %.20q", ErrMalformed, s)
	}
	return c, nil
}
