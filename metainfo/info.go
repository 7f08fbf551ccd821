package metainfo

// File is one file of a torrent, or a run of padding between two.
type File struct {
	Path   []string // raw elements as in the torrent, below the torrent's name; for a single file the name alone. Not safe: see SafePaths
	Length int64
	Offset int64 // in the content, in bytes

	Pad        bool     // BEP 47: zeros that are never requested or written
	Executable bool     // BEP 47
	Hidden     bool     // BEP 47
	Symlink    []string // BEP 47: target below the torrent's name; always empty files; never created on disk

	Root [32]byte // BEP 52 pieces root; zero in v1 torrents and for empty files
}

// Info is the content of an info dictionary: what the torrent's identity covers.
type Info struct {
	Name        string // raw; the file, or the directory that holds the files
	PieceLength int64  // bytes
	Pieces      []byte // 20-byte SHA-1 of each piece, one after the other; nil for v2-only torrents

	// Files in the order of the content, of which there is at least one byte. In v1 and hybrid torrents they follow each
	// other without gaps, pad files included. In v2-only torrents each file that is not empty starts at a piece boundary,
	// and its last piece ends with it: the gap to the next file belongs to no piece.
	Files []File

	MultiFile   bool // the files are in a directory Name
	Private     bool // BEP 27
	MetaVersion int  // 1 or 2; hybrids have 2
	Source      string

	fallback string // name where Name comes to nothing: the infohash
}

// HasV1 reports whether the content can be verified by SHA-1 piece hashes.
func (in *Info) HasV1() bool { return in.MetaVersion < 2 || len(in.Pieces) > 0 }

// HasV2 reports whether the files have Merkle roots.
func (in *Info) HasV2() bool { return in.MetaVersion == 2 }

// Layout returns the geometry of the content.
func (in *Info) Layout() Layout {
	l := Layout{PieceLength: in.PieceLength}
	if n := len(in.Files); n > 0 {
		l.Size = in.Files[n-1].Offset + in.Files[n-1].Length
	}
	return l
}

// NumPieces returns the number of pieces.
func (in *Info) NumPieces() int { return in.Layout().NumPieces() }

// PieceHash returns the SHA-1 of piece i. The torrent must have v1 metadata and i be in range.
func (in *Info) PieceHash(i int) [20]byte { return [20]byte(in.Pieces[i*20:]) }

// Length returns the bytes of all files, padding left out.
func (in *Info) Length() int64 {
	var sum int64
	for i := range in.Files {
		if !in.Files[i].Pad {
			sum += in.Files[i].Length
		}
	}
	return sum
}

// SafePaths returns where each file goes, relative to the folder that the user chose, with '/' between elements: safe on
// the target system, distinct, and below one name that is the torrent's. The result is parallel to Files.
func (in *Info) SafePaths(target Target) []string {
	root := string(appendSafe(nil, in.Name, target))
	if root == "" {
		root = in.fallback
	}
	if root == "" {
		root = "_"
	}
	if !in.MultiFile {
		return []string{root}
	}
	paths := make([]string, len(in.Files))
	buf := make([]byte, 0, 256)
	for i := range in.Files {
		buf = append(append(buf[:0], root...), '/')
		buf = appendSafePath(buf, in.Files[i].Path, target)
		paths[i] = string(buf)
	}
	ResolveDuplicates(paths, in.Files, target)
	return paths
}

// PieceLengthFor returns the piece length that eddy gives content of a size in bytes: 256 KiB, doubled while there would
// be more than 4,000 pieces, up to 16 MiB.
func PieceLengthFor(size int64) int64 {
	pl := int64(256 << 10)
	for pl < 16<<20 && (size-1)/pl+1 > 4000 {
		pl *= 2
	}
	return pl
}
