package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/eddy-p2p/eddy/bencode"
)

// parseTree reads the file tree of BEP 52. In a hybrid the v1 files are there already: the tree must list the same ones.
func (in *Info) parseTree(tree bencode.Node, hybrid bool) error {
	if tree.Kind() != bencode.Dict {
		return errors.New("metainfo: missing file tree")
	}
	if hybrid {
		return in.matchTree(tree)
	}
	var a arena
	count := 0
	err := walkTree(tree, nil, func(path [][]byte, _ bencode.Node) error {
		count++
		a.elements += len(path)
		for _, e := range path {
			a.bytes += len(e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// A tree names a directory once however many files are in it: without this bound a small torrent could unfold into
	// paths of any total size. Real trees stay far below (a file takes some 80 bytes).
	if raw := len(tree.Raw()); a.elements > raw/2+1024 || a.bytes > 4*raw+16<<10 {
		return errors.New("metainfo: the file tree unfolds into too long paths")
	}
	a.alloc()
	in.Files = make([]File, 0, count)
	var pieces int64
	err = walkTree(tree, nil, func(path [][]byte, leaf bencode.Node) error {
		return in.addLeaf(path, leaf, &a, &pieces)
	})
	if err != nil {
		return err
	}
	in.MultiFile = !(len(in.Files) == 1 && len(in.Files[0].Path) == 1 && in.Files[0].Path[0] == in.Name)
	return nil
}

// addLeaf appends a file of a v2-only torrent, at the next piece boundary.
func (in *Info) addLeaf(path [][]byte, leaf bencode.Node, a *arena, pieces *int64) error {
	f, err := parseLeaf(leaf)
	if err != nil {
		return fmt.Errorf("metainfo: file %d: %w", len(in.Files), err)
	}
	start := len(a.slices)
	for _, e := range path {
		a.add(e)
	}
	f.Path = slices.Clip(a.slices[start:])
	if f.Length > 0 {
		f.Offset = *pieces * in.PieceLength
		*pieces += (f.Length-1)/in.PieceLength + 1
		if *pieces > MaxPieces {
			return errors.New("metainfo: too many pieces")
		}
	} else if n := len(in.Files); n > 0 {
		f.Offset = in.Files[n-1].Offset + in.Files[n-1].Length
	}
	in.Files = append(in.Files, f)
	return nil
}

// matchTree checks that the tree lists the files of the v1 part, in their order, each from a piece boundary on, and takes
// their roots over (BEP 52, "Upgrade path"). Padding is not part of the tree; one at the very end is optional.
func (in *Info) matchTree(tree bencode.Node) error {
	next := 0
	err := walkTree(tree, nil, func(path [][]byte, leaf bencode.Node) error {
		f, err := parseLeaf(leaf)
		if err != nil {
			return fmt.Errorf("metainfo: file tree: %w", err)
		}
		for next < len(in.Files) && in.Files[next].Pad {
			next++
		}
		if next == len(in.Files) {
			return errMismatch
		}
		v1 := &in.Files[next]
		next++
		if v1.Length != f.Length || !samePath(v1.Path, path) || v1.Length > 0 && v1.Offset%in.PieceLength != 0 {
			return errMismatch
		}
		v1.Root = f.Root
		return nil
	})
	if err != nil {
		return err
	}
	for ; next < len(in.Files); next++ {
		if !in.Files[next].Pad {
			return errMismatch
		}
	}
	return nil
}

var errMismatch = errors.New("metainfo: the v1 and the v2 file lists differ")

func samePath(a []string, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != string(b[i]) {
			return false
		}
	}
	return true
}

// walkTree visits the files of a tree in order. It recurses by directory, which the depth limit of the decoder bounds.
// The path is reused: visit must copy it.
func walkTree(dir bencode.Node, path [][]byte, visit func(path [][]byte, leaf bencode.Node) error) error {
	for name, n := range dir.Entries() {
		if len(name) == 0 || n.Kind() != bencode.Dict {
			return errors.New("metainfo: invalid entry in the file tree")
		}
		sub := append(path, name)
		leaf, isFile := fileOf(n)
		if !isFile {
			if err := walkTree(n, sub, visit); err != nil {
				return err
			}
			continue
		}
		if leaf.Kind() != bencode.Dict {
			return errors.New("metainfo: invalid entry in the file tree")
		}
		if err := visit(sub, leaf); err != nil {
			return err
		}
	}
	return nil
}

// fileOf returns the properties of a tree entry that is a file: a dictionary with the empty key alone.
func fileOf(n bencode.Node) (leaf bencode.Node, isFile bool) {
	count := 0
	for k, v := range n.Entries() {
		if count == 0 && len(k) == 0 {
			leaf, isFile = v, true
		}
		if count++; count > 1 {
			// A file and a directory at once: let the walk meet the empty name and refuse it.
			return bencode.Node{}, false
		}
	}
	return leaf, isFile
}

// parseLeaf reads the properties of a file in the tree.
func parseLeaf(n bencode.Node) (f File, err error) {
	setAttr(&f, n.Get("attr"))
	if f.Pad {
		return f, errors.New("padding in the file tree")
	}
	length := n.Get("length")
	var ok bool
	f.Length, ok = length.Int()
	if (!ok && (f.Symlink == nil || length.Exists())) || f.Length < 0 || f.Length > maxSize {
		return f, errors.New("missing or invalid length")
	}
	if f.Symlink != nil && f.Length > 0 {
		return f, errors.New("a symlink with content")
	}
	if f.Length == 0 {
		return f, nil
	}
	root, _ := n.Get("pieces root").Bytes()
	if len(root) != 32 || bytes.Equal(root, make([]byte, 32)) {
		return f, errors.New("missing pieces root")
	}
	f.Root = [32]byte(root)
	return f, nil
}

// parseLayers checks the piece layers against the roots of the files and returns those that belong to one.
func parseLayers(in *Info, dict bencode.Node) (map[[32]byte][]byte, error) {
	if !dict.Exists() {
		return nil, nil
	}
	if dict.Kind() != bencode.Dict {
		return nil, errors.New("metainfo: piece layers is not a dictionary")
	}
	given := make(map[[32]byte][]byte, min(dict.Len(), len(in.Files)))
	pieces := make(map[[32]byte]int64, len(in.Files))
	for i := range in.Files {
		if f := &in.Files[i]; f.Length > in.PieceLength && !f.Pad {
			n := (f.Length-1)/in.PieceLength + 1
			if old, ok := pieces[f.Root]; ok && old != n {
				return nil, errors.New("metainfo: one pieces root for files of different sizes")
			}
			pieces[f.Root] = n
		}
	}
	for key, v := range dict.Entries() {
		layer, ok := v.Bytes()
		if len(key) != 32 || !ok {
			return nil, errors.New("metainfo: invalid piece layer")
		}
		root := [32]byte(key)
		n, wanted := pieces[root]
		if !wanted {
			continue // of no file that needs one: no harm, no use
		}
		if given[root] != nil {
			return nil, errors.New("metainfo: a piece layer twice")
		}
		if int64(len(layer)) != n*32 {
			return nil, fmt.Errorf("metainfo: piece layer of %d bytes for %d pieces", len(layer), n)
		}
		if LayerRoot(layer, in.PieceLength) != root {
			return nil, errors.New("metainfo: piece layer does not match its root")
		}
		given[root] = layer
	}
	return given, nil
}
