package metainfo

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/eddy-p2p/eddy/bencode"
)

// Format is the kind of metadata that a torrent is made with.
type Format uint8

// The formats. V1 is what every client understands.
const (
	V1     Format = iota // BEP 3
	V2                   // BEP 52 alone
	Hybrid               // both: v1 clients and v2 clients share one swarm
)

var formatNames = [...]string{V1: "v1", V2: "v2", Hybrid: "hybrid"}

// String returns v1, v2 or hybrid.
func (f Format) String() string { return formatNames[f] }

// ParseFormat reads what String returns.
func ParseFormat(s string) (Format, error) {
	if i := slices.Index(formatNames[:], s); i >= 0 {
		return Format(i), nil
	}
	return 0, fmt.Errorf("metainfo: unknown format %q: want v1, v2 or hybrid", s)
}

// HasV1 reports whether torrents of the format have v1 piece hashes.
func (f Format) HasV1() bool { return f != V2 }

// HasV2 reports whether torrents of the format have Merkle roots.
func (f Format) HasV2() bool { return f != V1 }

// Source is a file that goes into a torrent.
type Source struct {
	Path       []string // below the torrent's name; for a single file nil
	Length     int64
	Executable bool // noted in v2 and hybrid torrents only: v1 ones stay as mktorrent makes them

	Root  [32]byte // v2: pieces root, for files that are not empty
	Layer []byte   // v2: hashes of the pieces, for files longer than a piece
}

// Builder makes info dictionaries. The same input gives the same bytes; v1 dictionaries are those that mktorrent makes of
// the same files.
type Builder struct {
	Format      Format
	Name        string // of the file, or of the directory
	PieceLength int64  // bytes; see PieceLengthFor
	MultiFile   bool   // a directory, if of a single file
	Sources     []Source
	Pieces      []byte // v1: 20-byte SHA-1 of each piece of the content that Files gives
	Private     bool   // BEP 27; the key is written only when set
	Source      string // the "source" key, that changes the infohash; written only when set
}

// SortSources puts files into the order of a format: v1 as mktorrent, by the bytes of the whole path; v2 and hybrid by
// path element, as the keys of a file tree have to be.
func SortSources[T any](files []T, format Format, path func(T) []string) {
	slices.SortStableFunc(files, func(a, b T) int {
		if format.HasV2() {
			return slices.Compare(path(a), path(b))
		}
		return strings.Compare(strings.Join(path(a), "/"), strings.Join(path(b), "/"))
	})
}

// Files returns the content in the order in which pieces are cut from it: the sources, in hybrids with the padding that
// lets each file start at a piece boundary (BEP 47), in v2 torrents with gaps instead.
func (b *Builder) Files() []File {
	files := make([]File, 0, len(b.Sources))
	var end int64
	for _, s := range b.Sources {
		over := int64(0)
		if s.Length > 0 && b.Format.HasV2() && end%b.PieceLength != 0 {
			over = b.PieceLength - end%b.PieceLength
		}
		if over > 0 && b.Format == Hybrid {
			files = append(files, File{Path: []string{".pad", strconv.FormatInt(over, 10)}, Length: over, Offset: end, Pad: true})
		}
		end += over
		path := s.Path
		if !b.MultiFile {
			path = []string{b.Name}
		}
		files = append(files, File{Path: path, Length: s.Length, Offset: end, Executable: s.Executable, Root: s.Root})
		end += s.Length
	}
	return files
}

// validate checks what Parse would not find, or not name as clearly.
func (b *Builder) validate() error {
	switch {
	case b.Name == "":
		return errors.New("metainfo: building a torrent without a name")
	case len(b.Sources) == 0, !b.MultiFile && len(b.Sources) != 1:
		return fmt.Errorf("metainfo: building %q from %d files", b.Name, len(b.Sources))
	case b.PieceLength < BlockSize || b.PieceLength > MaxPieceLength || bits.OnesCount64(uint64(b.PieceLength)) != 1:
		return fmt.Errorf("metainfo: building %q: piece length %d is not a power of two from 16 KiB to 1 GiB", b.Name, b.PieceLength)
	}
	if !b.Format.HasV2() || !b.MultiFile {
		return nil
	}
	for i := 1; i < len(b.Sources); i++ {
		if slices.Compare(b.Sources[i-1].Path, b.Sources[i].Path) >= 0 {
			return fmt.Errorf("metainfo: building %q: files are not in the order of a file tree", b.Name)
		}
	}
	return nil
}

// Build makes the torrent. Trackers and the like can be set on the result.
func (b *Builder) Build() (*MetaInfo, error) {
	if err := b.validate(); err != nil {
		return nil, err
	}
	files := b.Files()
	info := map[string]any{"name": b.Name, "piece length": b.PieceLength}
	if b.Format.HasV1() {
		info["pieces"] = b.Pieces
		if b.MultiFile {
			info["files"] = b.fileList(files)
		} else {
			info["length"] = b.Sources[0].Length
			b.putAttr(info, b.Sources[0].Executable)
		}
	}
	if b.Format.HasV2() {
		info["meta version"] = 2
		info["file tree"] = b.tree()
	}
	if b.Private {
		info["private"] = 1
	}
	putString(info, "source", b.Source)
	raw, err := bencode.Append(nil, info)
	if err != nil {
		return nil, fmt.Errorf("metainfo: building %q: %w", b.Name, err)
	}
	m, err := ParseInfo(raw)
	if err != nil {
		return nil, fmt.Errorf("metainfo: building %q: %w", b.Name, err)
	}
	return m, b.putLayers(m)
}

// putAttr notes an executable file (BEP 47) where the format allows it to.
func (b *Builder) putAttr(dict map[string]any, executable bool) {
	if executable && b.Format.HasV2() {
		dict["attr"] = "x"
	}
}

// fileList makes the v1 files list.
func (b *Builder) fileList(files []File) []any {
	list := make([]any, len(files))
	for i, f := range files {
		entry := map[string]any{"length": f.Length, "path": f.Path}
		b.putAttr(entry, f.Executable)
		if f.Pad {
			entry["attr"] = "p"
		}
		list[i] = entry
	}
	return list
}

// tree makes the v2 file tree.
func (b *Builder) tree() map[string]any {
	root := map[string]any{}
	for _, s := range b.Sources {
		path := s.Path
		if !b.MultiFile {
			path = []string{b.Name}
		}
		dir := root
		for _, e := range path {
			sub, ok := dir[e].(map[string]any)
			if !ok {
				sub = map[string]any{}
				dir[e] = sub
			}
			dir = sub
		}
		leaf := map[string]any{"length": s.Length}
		if s.Length > 0 {
			leaf["pieces root"] = s.Root[:]
		}
		b.putAttr(leaf, s.Executable)
		dir[""] = leaf
	}
	return root
}

// putLayers adds the piece layers, checked like those of a foreign torrent.
func (b *Builder) putLayers(m *MetaInfo) error {
	if !b.Format.HasV2() {
		return nil
	}
	m.PieceLayers = map[[32]byte][]byte{}
	for _, s := range b.Sources {
		if s.Length <= b.PieceLength {
			continue
		}
		if int64(len(s.Layer)) != 32*((s.Length-1)/b.PieceLength+1) || LayerRoot(s.Layer, b.PieceLength) != s.Root {
			return fmt.Errorf("metainfo: building %q: the piece layer of %q does not match its root", b.Name, strings.Join(s.Path, "/"))
		}
		m.PieceLayers[s.Root] = s.Layer
	}
	return nil
}
