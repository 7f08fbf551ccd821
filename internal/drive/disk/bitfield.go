package disk

// A bitfield as BEP 3 has it: piece 0 is the high bit of the first byte.

func newBits(n int) []byte { return make([]byte, (n+7)/8) }

func hasBit(b []byte, i int) bool { return i>>3 < len(b) && b[i>>3]&(0x80>>(i&7)) != 0 }

func setBit(b []byte, i int) { b[i>>3] |= 0x80 >> (i & 7) }

func clearBit(b []byte, i int) { b[i>>3] &^= 0x80 >> (i & 7) }
