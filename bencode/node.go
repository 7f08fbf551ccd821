package bencode

import (
	"iter"
	"math"
)

// Kind is the type of a bencoded value.
type Kind uint8

// The kinds of a Node. Absent is the kind of the zero Node: a value that is not there.
const (
	Absent Kind = iota
	Int
	String
	List
	Dict
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"absent", "integer", "string", "list", "dictionary"}[k]
}

// document is a parsed input: its bytes and the offsets of its values. Scalars and keys take one word, the offset; lists
// and dictionaries two, the offset and the index behind their last descendant. The shortest scalar and the shortest
// container take two bytes of input, so that tokens are at most four times as large as the input.
type document struct {
	data   []byte
	tokens []uint32
}

// Node is a cursor to one value of a parsed input. The zero Node is a value that is absent: all its methods work and find
// nothing, so that lookups can be chained. Nodes are small values, safe for concurrent use.
type Node struct {
	doc *document
	at  uint32 // index into doc.tokens
}

// Parse reads one value that fills all of data, which must not change while the Node is in use. Errors are *SyntaxError.
func Parse(data []byte, lim Limits) (Node, error) {
	n, used, err := ParsePrefix(data, lim)
	if err != nil {
		return Node{}, err
	}
	if used != len(data) {
		return Node{}, fail(used, TrailingData)
	}
	return n, nil
}

// ParsePrefix reads the value at the start of data and returns how many bytes it took: messages of BEP 9 and BEP 10 carry
// payload behind it.
func ParsePrefix(data []byte, lim Limits) (n Node, used int, err error) {
	lim = lim.withDefaults()
	if len(data) > lim.MaxBytes {
		return Node{}, 0, fail(0, LimitExceeded)
	}
	s := scanner{data: data, lim: lim}
	used, serr := s.run()
	if serr != nil {
		return Node{}, 0, serr
	}
	s.tokens = make([]uint32, s.words)
	s.run() // the same walk, now storing: it cannot fail
	return Node{doc: &document{data: data[:used:used], tokens: s.tokens}}, used, nil
}

// Kind returns the type of the value, Absent for the zero Node.
func (n Node) Kind() Kind {
	if n.doc == nil {
		return Absent
	}
	switch n.doc.data[n.Offset()] {
	case 'i':
		return Int
	case 'l':
		return List
	case 'd':
		return Dict
	}
	return String
}

// Exists reports whether the value is there.
func (n Node) Exists() bool { return n.doc != nil }

// Offset returns where the value starts in the input, in bytes; 0 for the zero Node.
func (n Node) Offset() int {
	if n.doc == nil {
		return 0
	}
	return int(n.doc.tokens[n.at])
}

// Int returns the value of an integer; false if it is something else or does not fit into 64 bits.
func (n Node) Int() (int64, bool) {
	if n.Kind() != Int {
		return 0, false
	}
	off := n.Offset() + 1
	negative := n.doc.data[off] == '-'
	if negative {
		off++
	}
	v, _, r := parseDigits(n.doc.data, off, 'e')
	if r != None {
		// The one value whose magnitude does not fit.
		if negative && string(n.doc.data[off:min(off+20, len(n.doc.data))]) == "9223372036854775808e" {
			return math.MinInt64, true
		}
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

// Bytes returns the bytes of a string, a part of the input; false if it is something else.
func (n Node) Bytes() ([]byte, bool) {
	if n.Kind() != String {
		return nil, false
	}
	return n.doc.stringAt(n.Offset()), true
}

// Str returns a copy of a string; false if it is something else.
func (n Node) Str() (string, bool) {
	b, ok := n.Bytes()
	return string(b), ok
}

func (d *document) stringAt(off int) []byte {
	length, colon, _ := parseDigits(d.data, off, ':')
	start, end := colon+1, colon+1+int(length)
	return d.data[start:end:end]
}

// next returns the index of the token behind this value and its descendants.
func (n Node) next() uint32 {
	switch n.doc.data[n.doc.tokens[n.at]] {
	case 'l', 'd':
		return n.doc.tokens[n.at+1]
	}
	return n.at + 1
}

// Items yields the elements of a list, in order; nothing for other kinds.
func (n Node) Items() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.Kind() != List {
			return
		}
		end := n.next()
		for c := (Node{n.doc, n.at + 2}); c.at < end; c.at = c.next() {
			if !yield(c) {
				return
			}
		}
	}
}

// Entries yields the keys and values of a dictionary in the order of the input, repeated keys included; nothing for other
// kinds. Keys are parts of the input.
func (n Node) Entries() iter.Seq2[[]byte, Node] {
	return func(yield func([]byte, Node) bool) {
		if n.Kind() != Dict {
			return
		}
		end := n.next()
		for at := n.at + 2; at < end; {
			v := Node{n.doc, at + 1}
			if !yield(n.doc.stringAt(int(n.doc.tokens[at])), v) {
				return
			}
			at = v.next()
		}
	}
}

// Get returns the first value under key in a dictionary; the zero Node if there is none.
func (n Node) Get(key string) Node {
	for k, v := range n.Entries() {
		if string(k) == key {
			return v
		}
	}
	return Node{}
}

// Len returns the number of elements of a list or entries of a dictionary, or of bytes of a string; 0 for others. For
// lists and dictionaries it walks over the elements.
func (n Node) Len() int {
	count := 0
	switch n.Kind() {
	case String:
		b, _ := n.Bytes()
		return len(b)
	case List:
		for range n.Items() {
			count++
		}
	case Dict:
		for range n.Entries() {
			count++
		}
	}
	return count
}

// Raw returns the value as it stands in the input, the bytes that an infohash is taken over; nil for the zero Node. It
// walks over the value.
func (n Node) Raw() []byte {
	if n.doc == nil {
		return nil
	}
	end := n.end()
	return n.doc.data[n.Offset():end:end]
}

// end returns the offset behind the value. It walks over it instead of storing the end, which would make tokens larger than
// the bound allows.
func (n Node) end() int {
	data, pos, depth := n.doc.data, n.Offset(), 0
	for {
		switch c := data[pos]; c {
		case 'l', 'd':
			depth++
			pos++
		case 'e':
			depth--
			pos++
		case 'i':
			for data[pos] != 'e' {
				pos++
			}
			pos++
		default:
			length, colon, _ := parseDigits(data, pos, ':')
			pos = colon + 1 + int(length)
		}
		if depth == 0 {
			return pos
		}
	}
}

// SoftError returns the first soft error within the value, with an offset in the whole input, or nil. It walks over the
// value again: nothing is stored for the many that need not know.
func (n Node) SoftError() *SyntaxError {
	if n.doc == nil {
		return nil
	}
	raw := n.Raw()
	lim := Limits{MaxBytes: len(raw), MaxTokens: len(raw), MaxDepth: depthCap}
	s := scanner{data: raw, lim: lim.withDefaults()}
	s.run() // it parsed before: only soft errors are left to find
	if s.soft.Reason == None {
		return nil
	}
	return fail(s.soft.Offset+n.Offset(), s.soft.Reason)
}
