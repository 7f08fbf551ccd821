package ringwire

import (
	"bytes"
	"testing"
)

// "The positions that share the first Depth 4-bit digits with ID, the others zero": one branch, one prefix.
func TestPrefixHasNoMoreDigits(t *testing.T) {
	for _, c := range []struct {
		prefix Prefix
		ok     bool
	}{
		{Prefix{ID{0xab, 0xc0}, 3}, true}, {Prefix{ID{0xab, 0xc1}, 3}, false}, {Prefix{ID{0xab, 0xc0}, 2}, false}, {Prefix{ID{0xab}, 2}, true},
		{Prefix{ID{19: 1}, 40}, true}, {Prefix{ID{19: 1}, 39}, false}, {Prefix{ID{19: 1}, 0}, false}, {Prefix{}, true},
	} {
		d := Data{Kind: DataTree, Prefix: c.prefix}
		if _, err := ParseData(d.Append(nil)); (err == nil) != c.ok {
			t.Errorf("%x to digit %d: %v", c.prefix.ID, c.prefix.Depth, err)
		}
	}
}

// "In a ring of M < 160 bits the number stands in the top M bits and the rest is zero."
func TestSpaceHas(t *testing.T) {
	for _, c := range []struct {
		bits int
		id   ID
		want bool
	}{{6, ID{0xfc}, true}, {6, ID{0x02}, false}, {6, ID{0, 1}, false}, {8, ID{0xff}, true}, {9, ID{0, 0x80}, true}, {9, ID{0, 0x40}, false}, {0, ID{19: 1}, true}, {159, ID{19: 1}, false}} {
		if got := (Space{Bits: c.bits}).Has(c.id); got != c.want {
			t.Errorf("%x in %d bits: %t", c.id, c.bits, got)
		}
	}
}

// A newcomer takes no place that its ring does not have.
func TestWelcomeToAPlaceOfTheRing(t *testing.T) {
	for _, at := range []ID{{0xfc}, {0xfd}} {
		w := Welcome{Certificate: &Certificate{Role: RoleMember, Positions: 1, Explicit: []ID{at}}, Parameters: Parameters{6, 3, 2, 2}}
		if _, err := ParseWelcome(w.Append(nil)); (err == nil) != (at[0] == 0xfc) {
			t.Errorf("%x in 6 bits: %v", at, err)
		}
	}
}

// "MaxFormer bounds the list of former CAs: older ones are forgotten."
func TestSecretsForgetTheOldest(t *testing.T) {
	for _, count := range []int{MaxFormer, MaxFormer + 1, 256, 300} {
		s := Secrets{Serial: uint32(count)}
		for i := range count {
			s.Former = append(s.Former, [32]byte{byte(i), byte(i >> 8)})
		}
		r := NewReader(s.Append(nil))
		got := r.Secrets()
		if err := r.Done(); err != nil || len(got.Former) != MaxFormer || !bytes.Equal(got.Former[MaxFormer-1][:], s.Former[count-1][:]) {
			t.Errorf("%d former CAs: %v, %d left", count, err, len(got.Former))
		}
	}
}
