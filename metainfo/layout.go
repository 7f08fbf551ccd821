package metainfo

// BlockSize is the unit of requests on the wire (BEP 3): 16 KiB; the last block of a piece may be shorter.
const BlockSize = 16 << 10

// Layout is the geometry of a torrent's content: bytes cut into pieces, pieces into blocks. It is a small value, copied
// freely; every off-by-one of the project lives here.
type Layout struct {
	Size        int64 // bytes of all files, padding included
	PieceLength int64 // bytes of every piece but the last; > 0
}

// NumPieces returns the number of pieces; 0 for empty content.
func (l Layout) NumPieces() int {
	if l.Size == 0 {
		return 0
	}
	return int((l.Size-1)/l.PieceLength + 1)
}

// PieceSize returns the bytes of piece i: PieceLength, or less for the last.
func (l Layout) PieceSize(i int) int64 {
	return min(l.PieceLength, l.Size-int64(i)*l.PieceLength)
}

// PieceOffset returns where piece i starts in the content, in bytes.
func (l Layout) PieceOffset(i int) int64 { return int64(i) * l.PieceLength }

// PieceAt returns the piece that holds the byte at off.
func (l Layout) PieceAt(off int64) int { return int(off / l.PieceLength) }

// NumBlocks returns the number of blocks of piece i.
func (l Layout) NumBlocks(i int) int {
	return int((l.PieceSize(i) + BlockSize - 1) / BlockSize)
}

// BlocksPerPiece returns the number of blocks of a whole piece.
func (l Layout) BlocksPerPiece() int { return int((l.PieceLength + BlockSize - 1) / BlockSize) }

// BlockLength returns the bytes of block b of piece i: BlockSize, or less for the last of the piece.
func (l Layout) BlockLength(i, b int) int64 {
	return min(BlockSize, l.PieceSize(i)-int64(b)*BlockSize)
}
