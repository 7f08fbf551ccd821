package ringwire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// A program asks a node for keys on one standing stream of its connection: frames with a Call each go there, frames with a Reply come back, in
// the order in which they are ready. A value crosses it as it is.

// CallKind says what a Call asks for.
type CallKind uint8

const (
	// CallGet reads a key. Siblings, Sample, Version.
	CallGet CallKind = iota + 1
	// CallPut writes one. Set, TTL, Version, Value.
	CallPut
	// CallDelete deletes one. Version.
	CallDelete
	// CallCancel takes the call with this ID back: nobody waits for its reply any more, and none may come. ID only.
	CallCancel
)

// Limits of calls and replies. An error's text is cut to MaxText.
const (
	MaxCallFrame   = MaxValueBytes + MaxKeyBytes + MaxVersionText + 1<<10
	MaxReplyFrame  = MaxDataFrame + MaxVersionText + 64<<10
	MaxVersionText = 32 << 10 // a version as text, of a key with MaxContext writers
	MaxText        = 4 << 10
)

// Call is one operation on a key. Kind says which fields it uses; the others are zero.
type Call struct {
	Kind     CallKind
	ID       uint64        // chosen by the asker, unique among those under way on its stream
	Key      string        // 1 to MaxKeyBytes
	Siblings bool          // several values are a result
	Sample   int           // members of a set to return, as ringapi.GetOptions
	Set      bool          // add Value as a member
	TTL      time.Duration // 0 = for ever
	Version  string        // of a get what it must have seen, of a write its condition: as in ringapi
	Value    []byte
}

const (
	callSiblings = 1 << iota
	callSet
)

// Append appends the call: kind, flags, number, and what its kind uses.
func (c *Call) Append(b []byte) []byte {
	var flags byte
	if c.Siblings {
		flags |= callSiblings
	}
	if c.Set {
		flags |= callSet
	}
	b = binary.AppendUvarint(append(b, byte(c.Kind), flags), c.ID)
	if c.Kind == CallCancel {
		return b
	}
	b = AppendString(AppendString(b, c.Key), c.Version)
	switch c.Kind {
	case CallGet:
		b = appendUint64(b, uint64(int64(c.Sample)))
	case CallPut:
		b = append(appendUint64(b, uint64(c.TTL)), c.Value...)
	}
	return b
}

// ParseCall reads a call; it aliases nothing. What the operation makes of its fields is the node's to judge.
func ParseCall(b []byte) (*Call, error) {
	r := NewReader(b)
	c := &Call{Kind: CallKind(r.Byte())}
	flags := r.Byte()
	c.ID = r.Uvarint()
	c.Siblings, c.Set = flags&callSiblings != 0, flags&callSet != 0
	if c.Kind < CallGet || c.Kind > CallCancel || flags >= callSet<<1 || c.Siblings && c.Kind != CallGet || c.Set && c.Kind != CallPut {
		r.Fail()
	}
	if c.Kind != CallCancel {
		c.Key, c.Version = r.Text(MaxKeyBytes), r.Text(MaxVersionText)
	}
	switch c.Kind {
	case CallGet:
		n := int64(r.Uint64())
		if c.Sample = int(n); n > math.MaxInt32 || n < math.MinInt32 {
			r.Fail()
		}
	case CallPut:
		c.TTL = time.Duration(r.Uint64())
		if r.Len() > MaxValueBytes {
			r.Fail()
		}
		c.Value = append(make([]byte, 0, r.Len()), r.Fixed(r.Len())...)
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	return c, nil
}

// Reply answers the Call with its ID: with an error if Code says one, else with what a get found or a write achieved.
type Reply struct {
	ID      uint64
	Code    string // of ringapi; "" = it went well
	Message string
	Hint    string
	Version string

	Value        []byte // nil = none, as opposed to an empty one
	Siblings     [][]byte
	Members      [][]byte
	MemberCount  int
	Left         time.Duration // that a value has yet to live; 0 = for ever
	Owner        string
	Hops         int
	ExpectedHops float64

	Acks     int
	Holders  int // there are to be
	Replicas []string
}

// Which parts a Reply has.
const (
	replyError = 1 << iota
	replyValue
	replyLists
	replyRoute
	replyWrite
)

func (p *Reply) parts() (parts byte) {
	for i, has := range [...]bool{p.Code != "" || p.Message != "" || p.Hint != "", p.Value != nil, len(p.Siblings)+len(p.Members)+p.MemberCount > 0,
		p.Owner != "" || p.Hops != 0 || p.ExpectedHops != 0, p.Acks != 0 || p.Holders != 0 || len(p.Replicas) > 0} {
		if has {
			parts |= 1 << i
		}
	}
	return parts
}

// Append appends the reply: which parts it has, number, version, time left, these parts.
func (p *Reply) Append(b []byte) []byte {
	parts := p.parts()
	b = binary.AppendUvarint(append(b, parts), p.ID)
	b = AppendString(b, p.Version)
	b = binary.AppendUvarint(b, uint64(p.Left))
	if parts&replyError != 0 {
		for _, text := range []string{p.Code, p.Message, p.Hint} {
			b = AppendString(b, text[:min(len(text), MaxText)])
		}
	}
	if parts&replyRoute != 0 {
		b = AppendString(b, p.Owner)
		b = binary.AppendUvarint(b, uint64(p.Hops))
		b = appendUint64(b, math.Float64bits(p.ExpectedHops))
	}
	if parts&replyWrite != 0 {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.Acks)), uint64(p.Holders))
		b = binary.AppendUvarint(b, uint64(len(p.Replicas)))
		for _, r := range p.Replicas {
			b = AppendString(b, r)
		}
	}
	if parts&replyLists != 0 {
		b = binary.AppendUvarint(b, uint64(p.MemberCount))
		for _, list := range [][][]byte{p.Siblings, p.Members} {
			b = binary.AppendUvarint(b, uint64(len(list)))
			for _, v := range list {
				b = AppendBytes(b, v)
			}
		}
	}
	if parts&replyValue != 0 {
		b = AppendBytes(b, p.Value)
	}
	return b
}

// ParseReply reads a reply; it aliases nothing.
func ParseReply(b []byte) (*Reply, error) {
	r := NewReader(b)
	p := &Reply{}
	parts := r.Byte()
	p.ID, p.Version = r.Uvarint(), r.Text(MaxVersionText)
	p.Left = time.Duration(r.number(math.MaxInt64))
	has := func(part byte) bool { return parts&part != 0 && r.Err() == nil }
	if has(replyError) {
		p.Code, p.Message, p.Hint = r.Text(MaxText), r.Text(MaxText), r.Text(MaxText)
	}
	if has(replyRoute) {
		p.Owner = r.Text(MaxText)
		p.Hops = int(r.number(math.MaxInt32))
		p.ExpectedHops = math.Float64frombits(r.Uint64())
		if math.IsNaN(p.ExpectedHops) {
			r.Fail()
		}
	}
	if has(replyWrite) {
		p.Acks, p.Holders = int(r.number(math.MaxInt32)), int(r.number(math.MaxInt32))
		for range r.Count(1) {
			p.Replicas = append(p.Replicas, r.Text(MaxText))
			if r.Err() != nil {
				break
			}
		}
	}
	if has(replyLists) {
		p.MemberCount = int(r.number(math.MaxInt32))
		p.Siblings, p.Members = r.values(), r.values()
	}
	if has(replyValue) {
		p.Value = append(make([]byte, 0), r.Bytes(MaxValueBytes)...)
	}
	// One meaning, one encoding: a part that is said to be there and is empty is malformed.
	if r.Err() == nil && p.parts() != parts {
		r.Fail()
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	return p, nil
}

// values takes a list of values, each of which exists even when it is empty.
func (r *Reader) values() (list [][]byte) {
	n := r.Count(1)
	if n > MaxVersions {
		r.Fail()
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		list = append(list, append(make([]byte, 0), r.Bytes(MaxValueBytes)...))
	}
	return list
}

// number takes a number of at most limit.
func (r *Reader) number(limit uint64) uint64 {
	n := r.Uvarint()
	if n > limit {
		r.Fail()
		return 0
	}
	return n
}

// Text takes a length and that many bytes, at most limit, as a string.
func (r *Reader) Text(limit int) string { return string(r.Bytes(limit)) }

// AppendString appends the length of s as a uvarint, and s.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
