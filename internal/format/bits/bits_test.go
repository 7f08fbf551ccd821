package bits

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestZeroSet(t *testing.T) {
	var s Set
	if s.Len() != 0 || s.Count() != 0 || !s.Full() || !s.Empty() || s.Has(0) || s.Next(0) != -1 || s.NextClear(0) != -1 {
		t.Fatal("zero Set does not behave as an empty set of length 0")
	}
	s.Fill()
	s.Clear()
	if s.Bytes() != nil || s.Clone().Len() != 0 || s.AnyNotIn(New(4)) || s.CountNotIn(New(4)) != 0 {
		t.Fatal("zero Set differs from New(0)")
	}
}

func TestParseRejects(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		n    int
	}{
		{"short", []byte{0xff}, 9},
		{"long", []byte{0xff, 0, 0}, 9},
		{"spare bit", []byte{0xff, 0x40}, 9},
		{"lowest spare bit", []byte{0x01}, 7},
		{"bytes for no pieces", []byte{0}, 0},
		{"negative", nil, -1},
	} {
		if _, err := Parse(c.b, c.n); err == nil {
			t.Errorf("%s: Parse(%x, %d) accepted", c.name, c.b, c.n)
		}
	}
}

func TestParseCopies(t *testing.T) {
	in := []byte{0xa0}
	s, err := Parse(in, 3)
	if err != nil {
		t.Fatal(err)
	}
	in[0] = 0
	if !s.Has(0) || s.Has(1) || !s.Has(2) || s.Count() != 2 {
		t.Fatalf("set %x changed with its input", s.Bytes())
	}
}

func TestCopiesShareClonesDoNot(t *testing.T) {
	a := New(100)
	b, c := a, a.Clone()
	if !b.Add(42) || b.Add(42) {
		t.Fatal("Add must report a change once")
	}
	if !a.Has(42) || a.Count() != 1 {
		t.Error("a copy does not share storage")
	}
	if c.Has(42) {
		t.Error("a clone shares storage")
	}
	if !a.Remove(42) || a.Remove(42) || !b.Empty() {
		t.Error("Remove must report a change once and be seen by the copy")
	}
}

func TestOutOfRangePanics(t *testing.T) {
	for _, i := range []int{-1, 10, 63, 64} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Add(%d) on 10 bits did not panic", i)
				}
			}()
			New(10).Add(i)
		}()
	}
}

// TestModel compares every method with a plain []bool.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		model := make([]bool, n)
		s := New(n)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
			case op == 0:
				s.Fill()
				for i := range model {
					model[i] = true
				}
			case op == 1:
				s.Clear()
				clear(model)
			case n > 0:
				i := rapid.IntRange(0, n-1).Draw(t, "i")
				if op < 7 {
					if s.Add(i) == model[i] {
						t.Fatalf("Add(%d) reported wrongly", i)
					}
				} else if s.Remove(i) != model[i] {
					t.Fatalf("Remove(%d) reported wrongly", i)
				}
				model[i] = op < 7
			}
			compare(t, s, model)
		}
		back, err := Parse(s.Bytes(), n)
		if err != nil {
			t.Fatalf("own bytes rejected: %v", err)
		}
		compare(t, back, model)
	})
}

func compare(t *rapid.T, s Set, model []bool) {
	count := 0
	for i, want := range model {
		if s.Has(i) != want {
			t.Fatalf("Has(%d) = %v", i, !want)
		}
		if want {
			count++
		}
	}
	if s.Count() != count || s.Full() != (count == len(model)) || s.Empty() != (count == 0) {
		t.Fatalf("Count %d, want %d", s.Count(), count)
	}
	next := func(from int, bit bool) int {
		for i := max(from, 0); i < len(model); i++ {
			if model[i] == bit {
				return i
			}
		}
		return -1
	}
	for i := -1; i <= len(model)+1; i++ {
		if got, want := s.Next(i), next(i, true); got != want {
			t.Fatalf("Next(%d) = %d, want %d", i, got, want)
		}
		if got, want := s.NextClear(i), next(i, false); got != want {
			t.Fatalf("NextClear(%d) = %d, want %d", i, got, want)
		}
	}
}

// TestDifference checks the two-set scans, with lengths that may differ.
func TestDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Set {
			n := rapid.IntRange(0, 200).Draw(t, name+"Len")
			s := New(n)
			// Sparse, dense and full sets exercise the short cuts.
			seed := rapid.Uint64().Draw(t, name+"Seed")
			per := rapid.SampledFrom([]int{0, 2, 50, 98, 100}).Draw(t, name+"Percent")
			r := rand.New(rand.NewPCG(seed, 1))
			for i := range n {
				if r.IntN(100) < per {
					s.Add(i)
				}
			}
			return s
		}
		a, b := draw("a"), draw("b")
		count, first := 0, -1
		from := rapid.IntRange(-1, 210).Draw(t, "from")
		for i := range a.Len() {
			if a.Has(i) && !b.Has(i) {
				count++
				if first < 0 && i >= from {
					first = i
				}
			}
		}
		if got := a.CountNotIn(b); got != count {
			t.Fatalf("CountNotIn = %d, want %d", got, count)
		}
		if got := a.AnyNotIn(b); got != (count > 0) {
			t.Fatalf("AnyNotIn = %v with %d", got, count)
		}
		if got := a.NextNotIn(b, from); got != first {
			t.Fatalf("NextNotIn(%d) = %d, want %d", from, got, first)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0x80}, 1)
	f.Add([]byte{0xff, 0x80}, 9)
	f.Add([]byte{0xff, 0xc0}, 9)
	f.Add(bytes.Repeat([]byte{0xff}, 17), 136)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		s, err := Parse(b, n)
		if err != nil {
			return
		}
		if s.Len() != n || !bytes.Equal(s.Bytes(), b) {
			t.Fatalf("Parse(%x, %d) gives %x of %d", b, n, s.Bytes(), s.Len())
		}
		count := 0
		for i := s.Next(0); i >= 0; i = s.Next(i + 1) {
			count++
		}
		if count != s.Count() {
			t.Fatalf("%d bits found, Count says %d", count, s.Count())
		}
	})
}

func BenchmarkAnyNotIn(b *testing.B) {
	const pieces = 100_000
	have, theirs := New(pieces), New(pieces)
	have.Fill()
	theirs.Fill()
	theirs.Remove(7)
	for b.Loop() {
		if theirs.AnyNotIn(have) {
			b.Fatal("a subset is not interesting")
		}
	}
}
