package ringwire

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var calls = []*Call{
	{Kind: CallGet, ID: 1, Key: "k"},
	{Kind: CallGet, ID: 1 << 40, Key: "a\xff\x00/b", Version: "AQ", Siblings: true, Sample: -1},
	{Kind: CallPut, ID: 2, Key: "k", Value: []byte{}},
	{Kind: CallPut, ID: 3, Key: "k", Set: true, TTL: 1500 * time.Microsecond, Version: "none", Value: []byte("v\x00")},
	{Kind: CallPut, ID: 4, Key: "k", TTL: -1, Value: []byte{1}}, // the node refuses it: here it only has to arrive as what it is
	{Kind: CallDelete, ID: 5, Key: "k", Version: "AQ"},
	{Kind: CallCancel, ID: 6},
}

var replies = []*Reply{
	{ID: 1},
	{ID: 2, Code: "conflict", Message: "it is not", Hint: "read it", Version: "AQ"},
	{ID: 3, Version: "AQ", Value: []byte{}, Owner: "10.0.0.1:7000", Hops: 1, ExpectedHops: 0.8},
	{ID: 4, Version: "AQ", Value: []byte("v"), Left: 90 * time.Second},
	{ID: 5, Version: "AQ", Siblings: [][]byte{{}, []byte("b")}},
	{ID: 6, Version: "AQ", Members: [][]byte{[]byte("a"), {}}, MemberCount: 1000},
	{ID: 7, Version: "AQ", Acks: 2, Holders: 3, Replicas: []string{"10.0.0.1:7000", "[::1]:7000"}},
}

// What one side says the other understands, to the difference between an empty value and none.
func TestCall(t *testing.T) {
	for _, want := range calls {
		got, err := ParseCall(want.Append(nil))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v\n%s", want, err, diff)
		}
	}
	for _, want := range replies {
		got, err := ParseReply(want.Append(nil))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v\n%s", want, err, diff)
		}
	}
}

func TestCallLimits(t *testing.T) {
	most := &Call{Kind: CallPut, ID: 1<<64 - 1, Key: strings.Repeat("k", MaxKeyBytes), Version: strings.Repeat("v", MaxVersionText),
		Value: make([]byte, MaxValueBytes)}
	if b := most.Append(nil); len(b) > MaxCallFrame {
		t.Errorf("the largest call has %d bytes, and a frame %d", len(b), MaxCallFrame)
	} else if _, err := ParseCall(b); err != nil {
		t.Errorf("the largest call: %v", err)
	}
	for name, c := range map[string]*Call{
		"key":     {Kind: CallGet, Key: strings.Repeat("k", MaxKeyBytes+1)},
		"value":   {Kind: CallPut, Key: "k", Value: make([]byte, MaxValueBytes+1)},
		"version": {Kind: CallDelete, Key: "k", Version: strings.Repeat("v", MaxVersionText+1)},
		"kind":    {Kind: CallCancel + 1},
		"sample":  {Kind: CallGet, Key: "k", Sample: 1 << 40},
		"flags":   {Kind: CallGet, Key: "k", Set: true},
	} {
		if _, err := ParseCall(c.Append(nil)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s beyond its bounds: %v", name, err)
		}
	}
	// An error's text is cut, so that no message makes a reply that the other side refuses.
	long := &Reply{ID: 1, Code: "failed", Message: strings.Repeat("m", 2*MaxText)}
	if got, err := ParseReply(long.Append(nil)); err != nil || len(got.Message) != MaxText {
		t.Errorf("a long message: %v", err)
	}
}

func FuzzCall(f *testing.F) {
	for _, c := range calls {
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		allocates(t, b, func() {
			if c, err := ParseCall(b); err == nil && !bytes.Equal(c.Append(nil), b) {
				t.Errorf("parsed %x, appended %x", b, c.Append(nil))
			}
		})
	})
}

func FuzzReply(f *testing.F) {
	for _, p := range replies {
		f.Add(p.Append(nil))
	}
	f.Add([]byte{replyLists, 0, 0, 0, 0, 0xff, 0x1f})
	f.Fuzz(func(t *testing.T, b []byte) {
		allocates(t, b, func() {
			if p, err := ParseReply(b); err == nil && !bytes.Equal(p.Append(nil), b) {
				t.Errorf("parsed %x, appended %x", b, p.Append(nil))
			}
		})
	})
}

// allocates runs a decoder of b, which must not allocate much more than b is long.
func allocates(t *testing.T, b []byte, decode func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decode()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(64*len(b)+256<<10) {
		t.Fatalf("%d bytes allocated for %d", got, len(b))
	}
}
