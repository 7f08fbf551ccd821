package ringwire

import (
	"crypto/sha256"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyRecord draws a record as honest and lying writers together might make it: contexts need not be transitive.
func anyRecord(t *rapid.T, label string) *Record {
	r := &Record{Key: "k"}
	for range rapid.IntRange(0, 4).Draw(t, label) {
		value := []byte{byte(rapid.IntRange(0, 3).Draw(t, "value"))}
		v := Version{Dot: anyDot(t, 1), Hash: sha256.Sum256(value), Value: value, Cert: []byte("c"), Sig: []byte("s")}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			if d := anyDot(t, 0); d.Writer != v.Dot.Writer || v.Dot.after(d) {
				v.Context = v.Context.With(d)
			}
		}
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			v.Tombstone, v.Value, v.Hash, v.Left = true, nil, Digest{}, Retention
		case 1:
			v.Set, v.Member = true, v.Hash
		case 2:
			v.TTL, v.Left = time.Minute, time.Duration(rapid.IntRange(1, 60).Draw(t, "left"))*time.Second
		}
		r.Versions = append(r.Versions, v)
	}
	r.Sort()
	r.Versions = slices.CompactFunc(r.Versions, func(a, b Version) bool { return compareVersions(a, b) == 0 })
	return r.settle()
}

func anyDot(t *rapid.T, least uint64) Dot {
	return Dot{Writer: Writer{byte(rapid.IntRange(1, 3).Draw(t, "writer"))}, Epoch: 1, Counter: rapid.Uint64Range(least, 4).Draw(t, "counter")}
}

// TestMerge: replicas that have seen the same writes mean the same, whatever the order and however often they met.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyRecord(t, "a"), anyRecord(t, "b"), anyRecord(t, "c")
		if got, want := Merge(a, b).Digest(), Merge(b, a).Digest(); got != want {
			t.Fatalf("not commutative:\n%s", cmp.Diff(Merge(a, b), Merge(b, a)))
		}
		if l, r := Merge(Merge(a, b), c), Merge(a, Merge(b, c)); l.Digest() != r.Digest() {
			t.Fatalf("not associative:\n%s", cmp.Diff(l, r))
		}
		if got := Merge(a, a); got.Digest() != a.Digest() {
			t.Fatalf("not idempotent:\n%s", cmp.Diff(got, a))
		}
		if m := Merge(a, b); Merge(m, a).Digest() != m.Digest() {
			t.Fatal("a merge is not above what it merged")
		}
	})
}

// TestRecordBytes: what is stored and sent comes back.
func TestRecordBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Merge(anyRecord(t, "a"), anyRecord(t, "b"))
		if len(r.Versions) == 0 {
			return
		}
		got, err := ParseRecord(r.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Fatal(diff)
		}
		text := r.Context().String()
		c, err := ParseContext(text)
		if err != nil || !c.Equal(r.Context()) {
			t.Fatalf("version %s: %v, %v", text, c, err)
		}
	})
}

func put(dot Dot, value string, ctx Context) *Record {
	return &Record{Key: "k", Versions: []Version{{Dot: dot, Context: ctx, Value: []byte(value), Hash: sha256.Sum256([]byte(value))}}}
}

// TestSiblings: concurrent writes stay, and one that has seen them overwrites both.
func TestSiblings(t *testing.T) {
	a, b := Dot{Writer{1}, 1, 1}, Dot{Writer{2}, 1, 1}
	both := Merge(put(a, "x", nil), put(b, "y", nil))
	if n := len(both.Live()); n != 2 {
		t.Fatalf("%d live versions, want 2 siblings", n)
	}
	after := Merge(both, put(Dot{Writer{1}, 1, 2}, "z", both.Context()))
	if live := after.Live(); len(live) != 1 || string(live[0].Value) != "z" || len(after.Versions) != 1 {
		t.Fatalf("after a write that has seen both: %d versions, live %v", len(after.Versions), live)
	}
	if back := Merge(after, both); back.Digest() != after.Digest() {
		t.Fatal("what was overwritten came back")
	}
}

// TestAge: a TTL ends a value but not what it overwrote; tombstones stay for Retention, and so at least the 7 days.
func TestAge(t *testing.T) {
	old := put(Dot{Writer{1}, 1, 1}, "old", nil)
	short := put(Dot{Writer{2}, 1, 1}, "short", old.Context())
	v := &short.Versions[0]
	v.TTL, v.Left, v.Linger = time.Minute, time.Minute, true
	r := Merge(old, short)
	if aged := r.Age(59 * time.Second); len(aged.Live()) != 1 || aged.Next() != time.Second {
		t.Fatalf("before its end: %+v", aged)
	}
	gone := r.Age(2 * time.Minute)
	if len(gone.Live()) != 0 || len(Merge(gone, old).Live()) != 0 {
		t.Fatal("a value came back that was overwritten by one whose time is over")
	}
	if r.Age(time.Minute+7*24*time.Hour) == nil || r.Age(time.Minute+Retention) != nil {
		t.Fatal("its memory does not end with Retention")
	}
}

// TestSetMembers: "adding a member covers only that member's versions".
func TestSetMembers(t *testing.T) {
	member := func(n uint64, value string) *Record {
		r := put(Dot{Writer{1}, 1, n}, value, Context{{Writer{1}, 1, n - 1}})
		r.Versions[0].Set, r.Versions[0].Member = true, r.Versions[0].Hash
		return r
	}
	r := Merge(Merge(member(1, "x"), member(2, "y")), member(3, "x"))
	if live := r.Live(); len(live) != 2 || len(r.Versions) != 2 {
		t.Fatalf("members %v of %d versions", live, len(r.Versions))
	}
}

// FuzzRecord: no bytes crash the parser, none make it allocate out of proportion, and what parses has one encoding.
func FuzzRecord(f *testing.F) {
	f.Add(put(Dot{Writer{1}, 1, 1}, "x", Context{{Writer{1}, 1, 0}, {Writer{2}, 3, 4}}).Append(nil))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := ParseRecord(b)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > uint64(32*len(b)+256<<10) {
			t.Fatalf("%d bytes allocated for %d", got, len(b))
		}
		if err != nil {
			return
		}
		if again := r.Append(nil); !slices.Equal(again, b) {
			t.Fatalf("parsed %x, appended %x", b, again)
		}
		_ = r.Digest()
		_ = Merge(r, r).Live()
	})
}

// FuzzContext: the opaque version of users is text that anybody may make up.
func FuzzContext(f *testing.F) {
	f.Add(Context{{Writer{1}, 1, 2}}.String())
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseContext(s)
		if err == nil && c.String() != s {
			t.Fatalf("%q became %q", s, c.String())
		}
	})
}
