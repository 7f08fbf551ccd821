package metainfo

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/eddy-p2p/eddy/bencode"
)

// maxSize bounds the content, so that sums of offsets and lengths cannot overflow.
const maxSize = MaxPieces * MaxPieceLength

// parse fills the Info from its dictionary and checks all of it.
func (in *Info) parse(n bencode.Node) error {
	if err := in.parseHead(n); err != nil {
		return err
	}
	pieces, err := single(n, "pieces")
	if err != nil {
		return err
	}
	v1 := pieces.Exists() || in.MetaVersion < 2
	if v1 {
		if err := in.parseV1(n, pieces); err != nil {
			return err
		}
	}
	if in.HasV2() {
		// BEP 52 demands canonical bencoding, since the raw bytes are the identity.
		if e := n.SoftError(); e != nil {
			return fmt.Errorf("metainfo: v2 info dictionary: %w", e)
		}
		if err := in.parseTree(n.Get("file tree"), v1); err != nil {
			return err
		}
	}
	if in.Layout().Size == 0 {
		return errors.New("metainfo: the torrent has no content")
	}
	if d := in.trueDuplicates(); d > maxDuplicates {
		return fmt.Errorf("metainfo: %d files share their names with others", d)
	}
	return nil
}

// parseHead reads the simple fields.
func (in *Info) parseHead(n bencode.Node) error {
	in.MetaVersion = 1
	if v := n.Get("meta version"); v.Exists() {
		version, ok := v.Int()
		if !ok || version < 1 || version > 2 {
			return errors.New("metainfo: unknown meta version")
		}
		in.MetaVersion = int(version)
	}
	var ok bool
	if in.Name, ok = n.Get("name.utf-8").Str(); !ok || in.Name == "" || in.MetaVersion == 2 {
		if in.Name, ok = n.Get("name").Str(); !ok || in.Name == "" {
			return errors.New("metainfo: missing name")
		}
	}
	if in.PieceLength, ok = n.Get("piece length").Int(); !ok || in.PieceLength < 1 || in.PieceLength > MaxPieceLength {
		return errors.New("metainfo: missing or invalid piece length")
	}
	// BEP 52: "It must be a power of two and at least 16KiB."
	if in.HasV2() && (in.PieceLength < BlockSize || bits.OnesCount64(uint64(in.PieceLength)) != 1) {
		return fmt.Errorf("metainfo: piece length %d of a v2 torrent is not a power of two of at least 16 KiB", in.PieceLength)
	}
	private, _ := n.Get("private").Int()
	in.Private = private == 1
	in.Source, _ = n.Get("source").Str()
	return nil
}

// parseV1 reads the file list and the piece hashes of BEP 3.
func (in *Info) parseV1(n, pieces bencode.Node) error {
	var ok bool
	if in.Pieces, ok = pieces.Bytes(); !ok {
		return errors.New("metainfo: missing pieces")
	}
	files := n.Get("files")
	if files.Exists() {
		if err := in.parseFiles(files); err != nil {
			return err
		}
	} else {
		length, ok := n.Get("length").Int()
		if !ok || length < 0 || length > maxSize {
			return errors.New("metainfo: missing or invalid length")
		}
		in.Files = []File{{Path: []string{in.Name}, Length: length}}
		setAttr(&in.Files[0], n.Get("attr"))
		in.Files[0].Pad = false // a torrent of nothing but padding means nothing
	}
	if got, want := len(in.Pieces), in.NumPieces(); got%20 != 0 || got/20 != want || want > MaxPieces {
		return fmt.Errorf("metainfo: %d bytes of piece hashes for %d pieces", got, want)
	}
	return nil
}

// parseFiles reads the files list. A first walk counts, so that everything is allocated once and of the right size.
func (in *Info) parseFiles(list bencode.Node) error {
	if list.Kind() != bencode.List {
		return errors.New("metainfo: files is not a list")
	}
	in.MultiFile = true
	var a arena
	count := 0
	for f := range list.Items() {
		count++
		a.count(pathOf(f))
		a.count(f.Get("symlink path"))
	}
	a.alloc()
	in.Files = make([]File, 0, count)
	var offset int64
	for n := range list.Items() {
		f, err := parseFile(n, &a)
		if err != nil {
			return fmt.Errorf("metainfo: file %d: %w", len(in.Files), err)
		}
		if f.Length > maxSize-offset {
			return errors.New("metainfo: the torrent is too large")
		}
		f.Offset = offset
		offset += f.Length
		in.Files = append(in.Files, f)
	}
	return nil
}

// pathOf returns the path of a file entry, in the UTF-8 form that old encoders of other character sets add.
func pathOf(n bencode.Node) bencode.Node {
	if p := n.Get("path.utf-8"); p.Kind() == bencode.List && p.Len() > 0 {
		return p
	}
	return n.Get("path")
}

// parseFile reads one entry of the files list.
func parseFile(n bencode.Node, a *arena) (f File, err error) {
	if n.Kind() != bencode.Dict {
		return f, errors.New("not a dictionary")
	}
	setAttr(&f, n.Get("attr"))
	length := n.Get("length")
	var ok bool
	if f.Length, ok = length.Int(); (!ok && (f.Symlink == nil || length.Exists())) || f.Length < 0 {
		return f, errors.New("missing or invalid length")
	}
	path := pathOf(n)
	if !path.Exists() && f.Pad {
		f.Path = []string{".pad", fmt.Sprint(f.Length)}
	} else if f.Path, err = a.take(path); err != nil {
		return f, err
	}
	if f.Symlink != nil {
		if f.Length > 0 {
			return f, errors.New("a symlink with content")
		}
		if target := n.Get("symlink path"); target.Len() > 0 {
			f.Symlink, err = a.take(target)
		}
	}
	return f, err
}

// noTarget marks symlinks whose target is not known (yet).
var noTarget = []string{}

// setAttr sets the flags of BEP 47.
func setAttr(f *File, n bencode.Node) {
	attr, _ := n.Bytes()
	for _, c := range attr {
		switch c {
		case 'p':
			f.Pad = true
		case 'x':
			f.Executable = true
		case 'h':
			f.Hidden = true
		case 'l':
			f.Symlink = noTarget
		}
	}
}

// arena holds the path elements of all files in two allocations instead of one for each, so that torrents of very many
// small entries stay within the memory bound.
type arena struct {
	elements, bytes int
	slices          []string
	text            strings.Builder
}

// count adds a list of strings to what alloc will provide for. Anything else counts nothing: take will refuse it.
func (a *arena) count(list bencode.Node) {
	for e := range list.Items() {
		a.elements++
		a.bytes += e.Len()
	}
}

func (a *arena) alloc() {
	a.slices = make([]string, 0, a.elements)
	a.text.Grow(a.bytes)
}

// add copies one element.
func (a *arena) add(b []byte) {
	start := a.text.Len()
	a.text.Write(b)
	a.slices = append(a.slices, a.text.String()[start:])
}

// take copies a list of at least one string that was counted before.
func (a *arena) take(list bencode.Node) ([]string, error) {
	start := len(a.slices)
	for e := range list.Items() {
		b, ok := e.Bytes()
		if !ok {
			return nil, errors.New("a path element that is not a string")
		}
		a.add(b)
	}
	if len(a.slices) == start {
		return nil, errors.New("missing path")
	}
	return slices.Clip(a.slices[start:]), nil
}
