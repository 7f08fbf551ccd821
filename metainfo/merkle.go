package metainfo

import (
	"crypto/sha256"
	"math/bits"
)

// The Merkle trees of BEP 52: the leaves are the SHA-256 of the 16 KiB blocks of a file, the last one unpadded; leaves that
// are missing to a power of two are 32 zero bytes, not hashes of zeros. Layers are given as hashes one after the other, 32
// bytes each, as they stand in torrents and in messages.

// padHashes[h] is the root of a subtree of height h whose leaves are all missing.
var padHashes = func() (p [64][32]byte) {
	for h := 1; h < len(p); h++ {
		p[h] = hashPair(p[h-1], p[h-1])
	}
	return p
}()

// PadHash returns the root of a subtree of height h (1 << h leaves) of which all leaves are missing. 0 <= h < 64.
func PadHash(h int) [32]byte { return padHashes[h] }

func hashPair(left, right [32]byte) [32]byte {
	var pair [64]byte
	copy(pair[:32], left[:])
	copy(pair[32:], right[:])
	return sha256.Sum256(pair[:])
}

// MerkleHasher computes the root over a row of hashes given one by one, in memory logarithmic in their number. The zero
// value is a row of leaves; set Height for a row of a higher layer. Not safe for concurrent use.
type MerkleHasher struct {
	Height int // of the row that Add gets: 0 for leaves, log2(piece length / 16 KiB) for piece hashes

	n     uint64       // hashes added
	stack [48][32]byte // stack[i] is a complete subtree of 1<<i hashes where bit i of n is set
}

// Add appends a hash to the row.
func (m *MerkleHasher) Add(h [32]byte) {
	level := 0
	for ; m.n>>level&1 == 1; level++ {
		h = hashPair(m.stack[level], h)
	}
	m.stack[level] = h
	m.n++
}

// Root returns the root of the smallest complete tree over the row that has at least 1 << least hashes of the row's layer;
// hashes that are missing are padding. An empty row gives padding alone.
func (m *MerkleHasher) Root(least int) [32]byte {
	height := least
	if m.n > 1 {
		height = max(height, bits.Len64(m.n-1))
	}
	h := PadHash(m.Height)
	filled := false // whether h covers any real hash
	for level := 0; level < height; level++ {
		switch {
		case m.n>>level&1 == 1:
			h, filled = hashPair(m.stack[level], h), true
		case filled:
			h = hashPair(h, PadHash(m.Height+level))
		default:
			h = PadHash(m.Height + level + 1)
		}
	}
	if m.n == 1<<height {
		return m.stack[height]
	}
	return h
}

// LayerHeight returns the height of the piece layer above the leaves.
func LayerHeight(pieceLength int64) int { return bits.Len64(uint64(pieceLength/BlockSize)) - 1 }

// LayerRoot returns the pieces root of a file from its piece layer.
func LayerRoot(layer []byte, pieceLength int64) [32]byte {
	m := MerkleHasher{Height: LayerHeight(pieceLength)}
	for ; len(layer) >= 32; layer = layer[32:] {
		m.Add([32]byte(layer))
	}
	return m.Root(0)
}

// BlocksRoot returns the root over the blocks of data. With a piece length the tree has as many leaves as a whole piece:
// that is a hash of the piece layer. With pieceLength 0 the leaves are padded to the next power of two only: that is the
// pieces root of a file no longer than a piece.
func BlocksRoot(data []byte, pieceLength int64) [32]byte {
	var m MerkleHasher
	for len(data) > 0 {
		n := min(len(data), BlockSize)
		m.Add(sha256.Sum256(data[:n]))
		data = data[n:]
	}
	if pieceLength == 0 {
		return m.Root(0)
	}
	return m.Root(LayerHeight(pieceLength))
}

// MerkleProof returns the uncle hashes that lead from hashes [index, index+length) of a layer towards the root: first the
// sibling of their common ancestor, then that of its parent, at most proofs of them (BEP 52, "hashes"). The layer is at
// height base above the leaves; length is a power of two and index a multiple of it, else nil.
func MerkleProof(layer []byte, base, index, length, proofs int) []byte {
	total := len(layer) / 32
	if length < 1 || bits.OnesCount(uint(length)) != 1 || index < 0 || index%length != 0 || index >= total {
		return nil
	}
	height := bits.Len(uint(total - 1))
	var out []byte
	at, step := bits.TrailingZeros(uint(length)), index/length
	for ; at < height && proofs > 0; at, step, proofs = at+1, step/2, proofs-1 {
		sibling := (step ^ 1) << at
		h := subtree(layer, base, sibling, at)
		out = append(out, h[:]...)
	}
	return out
}

// subtree returns the root over 1<<height hashes of a layer from index first on; those behind its end are padding.
func subtree(layer []byte, base, first, height int) [32]byte {
	m := MerkleHasher{Height: base}
	for i := first; i < min(first+1<<height, len(layer)/32); i++ {
		m.Add([32]byte(layer[i*32:]))
	}
	return m.Root(height)
}

// VerifyMerkle reports whether hashes (a power of two of them) from index on of the layer at height base lead through the
// uncles to root.
func VerifyMerkle(root [32]byte, hashes []byte, base, index int, uncles []byte) bool {
	n := len(hashes) / 32
	if n < 1 || len(hashes)%32 != 0 || len(uncles)%32 != 0 || bits.OnesCount(uint(n)) != 1 || index < 0 || index%n != 0 {
		return false
	}
	h := subtree(hashes, base, 0, bits.TrailingZeros(uint(n)))
	step := index / n
	for ; len(uncles) > 0; uncles, step = uncles[32:], step/2 {
		if step&1 == 0 {
			h = hashPair(h, [32]byte(uncles))
		} else {
			h = hashPair([32]byte(uncles), h)
		}
	}
	return h == root && step == 0
}
