package wire

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// samples has one message of each kind.
var samples = []Message{
	{Kind: KeepAlive},
	{Kind: Choke}, {Kind: Unchoke}, {Kind: Interested}, {Kind: NotInterested},
	{Kind: Have, Index: 7},
	{Kind: Bitfield, Payload: []byte{0xff, 0x80}},
	{Kind: Request, Index: 1, Begin: 2 << 14, Length: 1 << 14},
	{Kind: Piece, Index: math.MaxUint32, Begin: 5, Length: 3, Payload: []byte("abc")},
	{Kind: Cancel, Index: 1, Begin: 2 << 14, Length: 1 << 14},
	{Kind: Port, Index: 6881},
	{Kind: Suggest, Index: 8}, {Kind: HaveAll}, {Kind: HaveNone},
	{Kind: Reject, Index: 1, Begin: 0, Length: 9}, {Kind: AllowedFast, Index: 9},
	{Kind: Extended, ExtID: 3, Payload: []byte("d1:ai1ee")},
	{Kind: HashRequest, Payload: bytes.Repeat([]byte{1}, 48)},
	{Kind: Hashes, Payload: bytes.Repeat([]byte{2}, 48+64)},
	{Kind: HashReject, Payload: bytes.Repeat([]byte{3}, 48)},
	{Kind: 99, Payload: []byte("from the future")},
}

var sameEmpty = cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })

func TestRoundTrip(t *testing.T) {
	var stream []byte
	for _, m := range samples {
		one := Append(nil, m)
		if Need(one) != len(one) {
			t.Errorf("%v: Need %d, length %d", m.Kind, Need(one), len(one))
		}
		for cut := range len(one) {
			if got, n, err := Parse(one[:cut], 1000); n != 0 || err != nil || got.Kind != 0 || got.Payload != nil {
				t.Errorf("%v cut to %d bytes: %+v, %d, %v; want nothing yet", m.Kind, cut, got, n, err)
			}
		}
		stream = append(stream, one...)
	}
	for _, want := range samples {
		got, n, err := Parse(stream, 1000)
		if err != nil || n == 0 {
			t.Fatalf("%v: n %d, error %v", want.Kind, n, err)
		}
		if d := cmp.Diff(want, got, sameEmpty); d != "" {
			t.Errorf("%v changed (-sent +parsed):\n%s", want.Kind, d)
		}
		stream = stream[n:]
	}
	if len(stream) != 0 {
		t.Errorf("%d bytes left over", len(stream))
	}
}

func TestPayloadCannotReachNextMessage(t *testing.T) {
	stream := Append(Append(nil, Message{Kind: Bitfield, Payload: []byte{1}}), Message{Kind: Choke})
	m, _, err := Parse(stream, 100)
	if err != nil {
		t.Fatal(err)
	}
	if cap(m.Payload) != 1 {
		t.Errorf("payload of 1 byte has capacity %d: an append would overwrite the next message", cap(m.Payload))
	}
}

func TestLengthMustFitKind(t *testing.T) {
	for _, m := range samples {
		if m.Kind == KeepAlive || m.Kind == Bitfield || !m.Kind.Known() {
			continue // any length is right
		}
		b := Append(nil, m)
		bad := []int{len(b) - PrefixLen - 1, len(b) - PrefixLen + 1}
		switch m.Kind {
		case Piece:
			bad = []int{PieceHeaderLen - PrefixLen - 1}
		case Extended:
			bad = []int{1}
		}
		for _, length := range bad {
			if length == 0 {
				continue // a keep-alive
			}
			// Refused at the id already, before the body has come.
			head := []byte{0, 0, 0, byte(length), byte(m.Kind)}
			if _, n, err := Parse(head, 1000); !errors.Is(err, ErrLength) || n != 0 {
				t.Errorf("%v of length %d: n %d, error %v", m.Kind, length, n, err)
			}
		}
	}
}

func TestLimitBeforeAnythingElse(t *testing.T) {
	for _, b := range [][]byte{{0, 0, 4, 1}, {0xff, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0, 4}} {
		if _, n, err := Parse(b, 1024); !errors.Is(err, ErrTooLong) || n != 0 {
			t.Errorf("prefix %x with limit 1024: n %d, error %v", b[:4], n, err)
		}
	}
	if _, _, err := Parse([]byte{0, 0, 4, 0}, 1024); err != nil {
		t.Errorf("a length equal to the limit: %v", err)
	}
	if got := Need([]byte{0xff, 0xff, 0xff, 0xff}); got < math.MaxInt32 {
		t.Errorf("Need of the largest prefix is %d", got)
	}
}

func TestLimit(t *testing.T) {
	if got := Limit(0); got < PieceHeaderLen-PrefixLen+BlockLen {
		t.Errorf("Limit(0) = %d refuses a block", got)
	}
	for _, pieces := range []int{1, 8, 9, 2_097_152, 2_097_153} {
		m := Append(nil, Message{Kind: Bitfield, Payload: make([]byte, (pieces+7)/8)})
		if _, n, err := Parse(m, Limit(pieces)); err != nil || n != len(m) {
			t.Errorf("bitfield of %d pieces: n %d, error %v", pieces, n, err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	var stream []byte
	for _, m := range samples {
		stream = Append(stream, m)
	}
	buf := make([]byte, 0, len(stream))
	allocs := testing.AllocsPerRun(100, func() {
		out := buf
		for b := stream; len(b) > 0; {
			m, n, err := Parse(b, 1000)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			out = Append(out, m)
			b = b[n:]
		}
		if len(out) != len(stream) {
			t.Fatal("stream changed")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations to parse and append %d messages", allocs, len(samples))
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]Kind{}
	for i := range 256 {
		k := Kind(i)
		name := k.String()
		if other, ok := seen[name]; ok || name == "" {
			t.Errorf("kinds %d and %d are both %q", other, k, name)
		}
		seen[name] = k
	}
	if Kind(10).Known() || Kind(254).Known() || !Choke.Known() || !HashReject.Known() || !KeepAlive.Known() {
		t.Error("Known is wrong")
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range samples {
		f.Add(Append(nil, m), 1000)
	}
	f.Add([]byte{0, 0, 0, 1, 255}, 10)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 7}, math.MaxInt32)
	f.Add([]byte{0, 0, 0, 5, 7, 0, 0, 0, 0}, -1)
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		b = b[:len(b):len(b)] // reading on would panic
		m, n, err := Parse(b, max)
		switch {
		case err != nil || n == 0:
			if n != 0 || m.Payload != nil {
				t.Fatalf("message %+v of %d bytes with error %v", m, n, err)
			}
			if err == nil && len(b) >= Need(b) {
				t.Fatalf("a whole message of %d bytes is not parsed", Need(b))
			}
			return
		case n != Need(b) || n > len(b) || n-PrefixLen > max:
			t.Fatalf("took %d of %d bytes, need %d, limit %d", n, len(b), Need(b), max)
		case m.Kind == KeepAlive:
			return // id 255 is read as one, but not written
		}
		if out := Append(nil, m); !bytes.Equal(out, b[:n]) {
			t.Fatalf("%x parsed and appended is %x", b[:n], out)
		}
		if m.Kind == HashRequest || m.Kind == Hashes || m.Kind == HashReject {
			span, hashes, ok := ParseHashSpan(m.Payload)
			if !ok || !bytes.Equal(append(AppendHashSpan(nil, span), hashes...), m.Payload) || len(hashes)%hashLen != 0 {
				t.Fatalf("hash span %+v, %d bytes of hashes", span, len(hashes))
			}
		}
	})
}

func BenchmarkParsePiece(b *testing.B) {
	block := Append(nil, Message{Kind: Piece, Index: 1, Payload: make([]byte, BlockLen)})
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := Parse(block, Limit(0)); n != len(block) || err != nil {
			b.Fatal(n, err)
		}
	}
}
