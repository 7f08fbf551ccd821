package ringwire

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

var anyID = rapid.Custom(func(t *rapid.T) (id ID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "bytes"))
	return id
})

// The arithmetic is that of integers modulo 2^160.
func TestArithmetic(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), MaxBits)
	number := func(id ID) *big.Int { return new(big.Int).SetBytes(id[:]) }
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyID.Draw(t, "a"), anyID.Draw(t, "b")
		sum := new(big.Int).Add(number(a), number(b))
		if got := number(a.Add(b)); got.Cmp(sum.Mod(sum, modulus)) != 0 {
			t.Fatalf("%x + %x = %x", a, b, got)
		}
		if got := a.Add(b).Sub(b); got != a {
			t.Fatalf("(%x + %x) - %x = %x", a, b, b, got)
		}
	})
}

// x is between a and b exactly when it is met, going clockwise from a, before b.
func TestBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := Space{Bits: 3} // small, so that equal positions and wrapping are common
		draw := func(name string) ID {
			id, err := space.ID(rapid.Uint64Range(0, 7).Draw(t, name))
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		a, x, b := draw("a"), draw("x"), draw("b")
		met := false
		for p := a.Add(space.Unit(0)); p != b; p = p.Add(space.Unit(0)) {
			met = met || p == x
		}
		if a == b {
			met = x != a
		}
		if got := Between(a, x, b); got != met {
			t.Fatalf("Between(%s, %s, %s) = %t", space.Format(a), space.Format(x), space.Format(b), got)
		}
		if got := Within(a, x, b); got != (met || x == b) {
			t.Fatalf("Within(%s, %s, %s) = %t", space.Format(a), space.Format(x), space.Format(b), got)
		}
	})
}

func TestSpace(t *testing.T) {
	for _, width := range []int{1, 4, 6, 8, 13, 63, 64} {
		space := Space{Bits: width}
		largest := uint64(1)<<(width-1)<<1 - 1
		for _, n := range []uint64{0, 1, largest / 2, largest} {
			id, err := space.ID(n)
			if err != nil || space.Number(id) != n {
				t.Errorf("%d bits: %d became %d, %v", width, n, space.Number(id), err)
			}
		}
		if _, err := space.ID(largest + 1); width < 64 && err == nil {
			t.Errorf("%d bits: %d was taken", width, largest+1)
		}
		top, _ := space.ID(largest)
		if wrapped := top.Add(space.Unit(0)); wrapped != (ID{}) {
			t.Errorf("%d bits: one past the last position is %x", width, wrapped)
		}
		if h := space.Hash("tag", []byte("x")); space.Format(h) == "" || h != mustID(t, space, space.Number(h)) {
			t.Errorf("%d bits: hash %x has bits below the ring's width", width, h)
		}
	}
	six := Space{Bits: 6}
	if got := six.Number(six.Finger(mustID(t, six, 40), 5)); got != 8 {
		t.Errorf("finger 5 of 40 points to %d, want (40 + 32) mod 64 = 8", got)
	}
	if a, b := (Space{}).Hash("t", []byte("ab"), []byte("c")), (Space{}).Hash("t", []byte("a"), []byte("bc")); a == b {
		t.Error("two lists of parts have one hash")
	}
}

func mustID(t *testing.T, s Space, n uint64) ID {
	t.Helper()
	id, err := s.ID(n)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
