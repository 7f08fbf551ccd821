package bits

import "testing"

// BEP 3, peer messages: "The first byte of the bitfield corresponds to indices
// 0 - 7 from high bit to low bit, respectively. The next one 8-15, etc. Spare
// bits at the end are set to zero."
func TestBitfieldOrder(t *testing.T) {
	s, err := Parse([]byte{0b1000_0001, 0b0100_0000}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		want := i == 0 || i == 7 || i == 9
		if s.Has(i) != want {
			t.Errorf("Has(%d) = %v, want %v", i, !want, want)
		}
	}
}

func TestSpareBitsAreZero(t *testing.T) {
	for n := range 70 {
		s := New(n)
		s.Fill()
		b := s.Bytes()
		if len(b) != (n+7)/8 {
			t.Fatalf("%d pieces: %d bytes", n, len(b))
		}
		if n%8 != 0 && b[len(b)-1] != byte(0xff<<(8-n%8)) {
			t.Errorf("%d pieces: last byte %08b", n, b[len(b)-1])
		}
		if _, err := Parse(b, n); err != nil {
			t.Errorf("%d pieces: %v", n, err)
		}
	}
}
