package bencode

import (
	"bytes"
	"math"
)

// Defaults of Limits, above what is seen in the field.
const (
	DefaultMaxBytes  = 10 << 20
	DefaultMaxTokens = 3_000_000
	DefaultMaxDepth  = 100

	// depthCap bounds the scanner's stack, which lives on the goroutine stack; MaxDepth cannot exceed it.
	depthCap = 128
)

// Limits bounds what Parse accepts. Zero fields mean the defaults.
type Limits struct {
	MaxBytes  int  // longest input in bytes; never above 2^32-2, since offsets are 32 bits
	MaxTokens int  // most values and keys together
	MaxDepth  int  // most lists and dictionaries inside each other; at most 128
	Strict    bool // refuse soft errors too
	Numbers   bool // refuse the soft errors of numbers (leading zeros), but not those of key order
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	if l.MaxTokens <= 0 {
		l.MaxTokens = DefaultMaxTokens
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = DefaultMaxDepth
	}
	l.MaxDepth = min(l.MaxDepth, depthCap)
	l.MaxBytes = int(min(uint64(l.MaxBytes), math.MaxUint32-1))
	return l
}

// frame is one open list or dictionary.
type frame struct {
	token   uint32 // index of its token
	dict    bool
	key     bool // a dictionary that expects a key (or its end) next
	hasPrev bool // prev holds the last key
	prev    [2]int
}

// scanner walks one value. The first walk only checks and counts; the second, over the same bytes, fills tokens.
type scanner struct {
	data   []byte
	lim    Limits
	tokens []uint32 // nil while counting
	words  int      // length tokens has, or would have
	count  int      // values and keys seen
	soft   SyntaxError
	stack  [depthCap]frame
	depth  int
}

// fail makes the error for a byte.
func fail(off int, r Reason) *SyntaxError { return &SyntaxError{Offset: off, Reason: r} }

// note remembers the first soft error, or returns it as a hard one where the limits say so.
func (s *scanner) note(off int, r Reason) *SyntaxError {
	if s.lim.Strict || s.lim.Numbers && r <= LeadingZeroInt {
		return fail(off, r)
	}
	if s.soft.Reason == None {
		s.soft = SyntaxError{Offset: off, Reason: r}
	}
	return nil
}

// run scans one value from byte 0 and returns the offset behind it.
func (s *scanner) run() (int, *SyntaxError) {
	s.words, s.count, s.depth = 0, 0, 0
	pos := 0
	for {
		if pos >= len(s.data) {
			return 0, fail(pos, UnexpectedEOF)
		}
		next, err := s.step(pos)
		if err != nil {
			return 0, err
		}
		pos = next
		if s.depth == 0 {
			return pos, nil
		}
	}
}

// step consumes one scalar, one opening or one closing byte at pos.
func (s *scanner) step(pos int) (int, *SyntaxError) {
	var top *frame
	if s.depth > 0 {
		top = &s.stack[s.depth-1]
	}
	c := s.data[pos]
	if c == 'e' {
		return s.closing(pos, top)
	}
	if s.count++; s.count > s.lim.MaxTokens {
		return 0, fail(pos, LimitExceeded)
	}
	if top != nil && top.dict {
		if top.key {
			return s.key(pos, top)
		}
		top.key = true
	}
	switch {
	case c == 'l' || c == 'd':
		return s.open(pos, c == 'd')
	case c == 'i':
		s.emit(pos)
		return s.integer(pos)
	case isDigit(c):
		s.emit(pos)
		_, end, err := s.str(pos)
		return end, err
	}
	return 0, fail(pos, ExpectedValue)
}

// emit appends the token of a scalar: its offset.
func (s *scanner) emit(pos int) {
	if s.tokens != nil {
		s.tokens[s.words] = uint32(pos)
	}
	s.words++
}

// open starts a list or dictionary. Its token has a second word: the index behind its last descendant, set at the end.
func (s *scanner) open(pos int, dict bool) (int, *SyntaxError) {
	if s.depth >= s.lim.MaxDepth {
		return 0, fail(pos, DepthExceeded)
	}
	s.stack[s.depth] = frame{token: uint32(s.words), dict: dict, key: dict}
	s.depth++
	s.emit(pos)
	s.words++
	return pos + 1, nil
}

func (s *scanner) closing(pos int, top *frame) (int, *SyntaxError) {
	if top == nil {
		return 0, fail(pos, UnexpectedEOF)
	}
	if top.dict && !top.key {
		return 0, fail(pos, ExpectedValue)
	}
	if s.tokens != nil {
		s.tokens[top.token+1] = uint32(s.words)
	}
	s.depth--
	return pos + 1, nil
}

// key consumes a dictionary key and compares it with the one before.
func (s *scanner) key(pos int, top *frame) (int, *SyntaxError) {
	if !isDigit(s.data[pos]) {
		return 0, fail(pos, ExpectedDigit)
	}
	s.emit(pos)
	start, end, err := s.str(pos)
	if err != nil {
		return 0, err
	}
	if top.hasPrev {
		switch bytes.Compare(s.data[top.prev[0]:top.prev[1]], s.data[start:end]) {
		case 0:
			err = s.note(pos, DuplicateKey)
		case 1:
			err = s.note(pos, UnsortedKey)
		}
	}
	top.prev, top.hasPrev, top.key = [2]int{start, end}, true, false
	return end, err
}

// str checks the string at pos, whose first byte is a digit, and returns where its bytes start and end.
func (s *scanner) str(pos int) (start, end int, err *SyntaxError) {
	if pos+1 >= len(s.data) {
		return 0, 0, fail(pos+1, UnexpectedEOF)
	}
	n, colon, r := parseDigits(s.data, pos, ':')
	if r != None {
		return 0, 0, fail(colon, r)
	}
	if colon >= len(s.data) {
		return 0, 0, fail(colon, ExpectedColon)
	}
	if n > int64(len(s.data)-colon-1) {
		return 0, 0, fail(colon, UnexpectedEOF)
	}
	if s.data[pos] == '0' && colon > pos+1 {
		if err = s.note(pos, LeadingZeroLength); err != nil {
			return 0, 0, err
		}
	}
	return colon + 1, colon + 1 + int(n), nil
}

// integer checks the integer at pos, whose first byte is 'i'. Values beyond 64 bits are refused only above 20 digits, as
// other decoders do: Node.Int says that it cannot hold the rest.
func (s *scanner) integer(pos int) (int, *SyntaxError) {
	at := pos + 1
	negative := at < len(s.data) && s.data[at] == '-'
	if negative {
		at++
	}
	first := at
	for ; at < len(s.data) && s.data[at] != 'e'; at++ {
		if !isDigit(s.data[at]) {
			return 0, fail(at, ExpectedDigit)
		}
	}
	switch {
	case at >= len(s.data):
		return 0, fail(at, UnexpectedEOF)
	case at == first:
		return 0, fail(at, ExpectedDigit)
	case at-first > 20:
		return 0, fail(at, Overflow)
	case negative && s.data[first] == '0':
		return 0, fail(first, NegativeZero)
	case s.data[first] == '0' && at > first+1:
		return at + 1, s.note(first, LeadingZeroInt)
	}
	return at + 1, nil
}

// parseDigits reads a decimal number up to delim or the end of data, whichever comes first, and returns the offset of that.
func parseDigits(data []byte, pos int, delim byte) (n int64, at int, r Reason) {
	for at = pos; at < len(data) && data[at] != delim; at++ {
		c := data[at]
		if !isDigit(c) {
			return 0, at, ExpectedDigit
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, at, Overflow
		}
		n = n*10 + d
	}
	return n, at, None
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
