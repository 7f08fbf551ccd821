package bencode

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustParse(t *testing.T, s string) Node {
	t.Helper()
	n, err := Parse([]byte(s), Limits{})
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return n
}

// value rebuilds what the input said as Go values. Recursion is fine here: depth is bounded.
func value(n Node) any {
	switch n.Kind() {
	case Int:
		v, _ := n.Int()
		return v
	case String:
		s, _ := n.Str()
		return s
	case List:
		out := []any{}
		for c := range n.Items() {
			out = append(out, value(c))
		}
		return out
	case Dict:
		out := map[string]any{}
		for k, c := range n.Entries() {
			out[string(k)] = value(c)
		}
		return out
	}
	return nil
}

func TestNodeReadsValues(t *testing.T) {
	n := mustParse(t, "d1:ai-7e1:bl0:le3:fooi0ee1:cde1:zd1:yl1:xeee")
	want := map[string]any{"a": int64(-7), "b": []any{"", []any{}, "foo", int64(0)}, "c": map[string]any{},
		"z": map[string]any{"y": []any{"x"}}}
	if d := cmp.Diff(want, value(n)); d != "" {
		t.Error(d)
	}
	if got := string(n.Get("z").Raw()); got != "d1:yl1:xee" {
		t.Errorf("Raw = %q", got)
	}
	if got := n.Get("b").Len(); got != 4 {
		t.Errorf("Len = %d", got)
	}
	if got := n.Get("z").Get("none").Get("deeper"); got.Exists() || got.Raw() != nil || got.Len() != 0 || got.SoftError() != nil {
		t.Errorf("an absent value is %v", got)
	}
}

func TestIntRange(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"i9223372036854775807e", math.MaxInt64, true},
		{"i-9223372036854775808e", math.MinInt64, true},
		{"i9223372036854775808e", 0, false},
		{"i-9223372036854775809e", 0, false},
		{"i18446744073709551615e", 0, false},
		{"3:abc", 0, false},
	} {
		got, ok := mustParse(t, c.in).Int()
		if got != c.want || ok != c.ok {
			t.Errorf("Int(%s) = %d, %v", c.in, got, ok)
		}
	}
}

// BEP 3: "i-0e is invalid. All encodings with a leading zero, such as i03e, are invalid, other than i0e".
func TestStrictRefusesWhatBEP3Forbids(t *testing.T) {
	for in, want := range map[string]Reason{
		"i-0e": NegativeZero, "i-03e": NegativeZero, "i03e": LeadingZeroInt, "i00e": LeadingZeroInt,
		"03:abc": LeadingZeroLength, "00:": LeadingZeroLength,
		"d1:b0:1:a0:e": UnsortedKey, "d1:a0:1:a0:e": DuplicateKey, "1:ab": TrailingData, "": UnexpectedEOF,
	} {
		_, err := Parse([]byte(in), Limits{Strict: true})
		var se *SyntaxError
		if !errors.As(err, &se) || se.Reason != want {
			t.Errorf("Parse(%q) = %v, want %v", in, err, want)
		}
	}
	mustParse(t, "i0e")
}

func TestSoftErrorOfASubtree(t *testing.T) {
	n := mustParse(t, "d1:bd1:y0:1:x0:e1:ad1:xi01eee")
	if e := n.Get("a").SoftError(); e == nil || e.Reason != LeadingZeroInt || e.Offset != 24 {
		t.Errorf("soft error of a: %v", e)
	}
	if e := n.Get("b").SoftError(); e == nil || e.Reason != UnsortedKey || e.Offset != 10 {
		t.Errorf("soft error of b: %v", e)
	}
	if e := n.Get("b").Get("y").SoftError(); e != nil {
		t.Errorf("soft error of y: %v", e)
	}
}

func TestParsePrefixReturnsLength(t *testing.T) {
	n, used, err := ParsePrefix([]byte("d8:msg_typei1eexyz"), Limits{})
	if err != nil || used != 15 {
		t.Fatalf("used %d, %v", used, err)
	}
	if string(n.Raw()) != "d8:msg_typei1ee" {
		t.Errorf("Raw = %q", n.Raw())
	}
}

func TestDepthLimitIsInclusive(t *testing.T) {
	nest := func(d int) string { return strings.Repeat("l", d) + strings.Repeat("e", d) }
	mustParse(t, nest(100))
	if _, err := Parse([]byte(nest(101)), Limits{}); err == nil {
		t.Error("depth 101 accepted")
	}
	if _, err := Parse([]byte(nest(129)), Limits{MaxDepth: 1 << 20}); err == nil {
		t.Error("depth 129 accepted")
	}
}

func TestAppend(t *testing.T) {
	got, err := Append(nil, map[string]any{"b": []any{1, int64(-2), []byte("x")}, "a": Raw("le"), "c": []string{"q"}})
	if err != nil || string(got) != "d1:ale1:bli1ei-2e1:xe1:cl1:qee" {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []any{1.5, []any{true}, map[string]any{"x": nil}} {
		if _, err := Append(nil, bad); err == nil {
			t.Errorf("Append(%v) succeeded", bad)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	leaf := rapid.OneOf(rapid.Int64().AsAny(), rapid.String().AsAny())
	var tree func(depth int) *rapid.Generator[any]
	tree = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		sub := rapid.Deferred(func() *rapid.Generator[any] { return tree(depth - 1) })
		return rapid.OneOf(leaf, rapid.SliceOfN(sub, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), sub, 0, 4).AsAny())
	}
	rapid.Check(t, func(t *rapid.T) {
		v := tree(4).Draw(t, "v")
		enc, err := Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		n, err := Parse(enc, Limits{Strict: true})
		if err != nil {
			t.Fatalf("%q: %v", enc, err)
		}
		if d := cmp.Diff(v, value(n)); d != "" {
			t.Error(d)
		}
	})
}

// allocated returns the bytes that f allocates. The minimum of three runs leaves out what the runtime does meanwhile.
func allocated(f func()) uint64 {
	best := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		best = min(best, after.TotalAlloc-before.TotalAlloc)
	}
	return best
}

// The densest inputs: what costs most tokens a byte.
func TestAllocationStaysUnderFourTimesTheInput(t *testing.T) {
	const n = 1 << 20
	for name, in := range map[string]string{
		"empty strings": "l" + strings.Repeat("0:", n) + "e",
		"empty lists":   "l" + strings.Repeat("le", n) + "e",
		"deep nests":    "l" + strings.Repeat(strings.Repeat("l", 99)+strings.Repeat("e", 99), n/99) + "e",
		"empty dicts":   "d" + strings.Repeat("0:de", n/2) + "e",
	} {
		data := []byte(in)
		got := allocated(func() {
			if _, err := Parse(data, Limits{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if bound := uint64(4*len(data) + 64<<10); got > bound {
			t.Errorf("%s: %d bytes allocated for %d, bound %d", name, got, len(data), bound)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"i1e", "le", "de", "0:", "d1:ai1e1:bl0:eee", "d1:b0:1:a0:e", "i-0e", "99:a", "lllleeee", "i01e", "5:helloxx"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		orig := slices.Clone(data)
		var n Node
		var used int
		var err error
		got := allocated(func() { n, used, err = ParsePrefix(data, Limits{}) })
		if bound := uint64(4*len(data) + 64<<10); got > bound {
			t.Fatalf("%d bytes allocated for %d", got, len(data))
		}
		if !bytes.Equal(orig, data) {
			t.Fatal("input modified")
		}
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Offset < 0 || se.Offset > len(data) || used != 0 || n.Exists() {
				t.Fatalf("error %#v for %q", err, data)
			}
			return
		}
		if !bytes.Equal(n.Raw(), data[:used]) {
			t.Fatalf("Raw %q of %q", n.Raw(), data[:used])
		}
		_, strictErr := Parse(data[:used], Limits{Strict: true})
		if (strictErr == nil) != (n.SoftError() == nil) {
			t.Fatalf("strict %v, soft %v", strictErr, n.SoftError())
		}
		if n.SoftError() == nil && intsFit(n) {
			if enc, err := Append(nil, value(n)); err != nil || !bytes.Equal(enc, data[:used]) {
				t.Fatalf("%q re-encodes as %q, %v", data[:used], enc, err)
			}
		}
	})
}

// intsFit reports whether every integer is within 64 bits.
func intsFit(n Node) bool {
	if n.Kind() == Int {
		_, ok := n.Int()
		return ok
	}
	for c := range n.Items() {
		if !intsFit(c) {
			return false
		}
	}
	for _, c := range n.Entries() {
		if !intsFit(c) {
			return false
		}
	}
	return true
}

func BenchmarkParse(b *testing.B) {
	var sb strings.Builder
	sb.WriteString("d4:infod5:filesl")
	for i := range 10000 {
		name := fmt.Sprintf("file%06d", i)
		fmt.Fprintf(&sb, "d6:lengthi%de4:pathl3:dir%d:%see", i, len(name), name)
	}
	sb.WriteString("eee")
	data := []byte(sb.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
