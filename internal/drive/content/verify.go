package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/eddy-p2p/eddy/metainfo"
)

// VerifyOptions says how Verify works. The zero value uses all cores.
type VerifyOptions struct {
	Workers  int                     // goroutines; 0: one a core
	Progress func(done, total int64) // bytes looked at; called from one goroutine at a time, at most once a piece
}

// Verify hashes all pieces of content and returns which are good. Content that is missing or too short makes bad pieces;
// a medium that cannot be read is an error. v1 hashes are used where there are any; else the Merkle roots: files whose
// piece layer the torrent lacks are good or bad as a whole. ReadAt of r is called from several goroutines at once.
func Verify(ctx context.Context, r io.ReaderAt, m *metainfo.MetaInfo, opt VerifyOptions) ([]bool, error) {
	return verify(ctx, func() (io.ReaderAt, func()) { return r, func() {} }, m, opt)
}

// VerifyFiles does the same for files at paths, parallel to m.Files, each opened when it is needed.
func VerifyFiles(ctx context.Context, paths []string, m *metainfo.MetaInfo, opt VerifyOptions) ([]bool, error) {
	if len(paths) != len(m.Files) {
		return nil, fmt.Errorf("verifying %q: %d paths for %d files", m.Name, len(paths), len(m.Files))
	}
	return verify(ctx, func() (io.ReaderAt, func()) {
		r := NewReader(m.Files, paths)
		return r, func() { r.Close() }
	}, m, opt)
}

func verify(ctx context.Context, src source, m *metainfo.MetaInfo, opt VerifyOptions) ([]bool, error) {
	v1 := m.HasV1()
	s := newShape(m.Files, m.PieceLength, v1, !v1)
	n := s.layout.NumPieces()
	good, roots := make([]bool, n), [][32]byte(nil)
	if !v1 {
		roots = make([][32]byte, n)
	}
	progress := meter{total: s.layout.Size, report: opt.Progress}
	err := each(ctx, n, opt.Workers, &s, src, func(ctx context.Context, h *hasher, i int) error {
		sum, err := h.sum(ctx, i)
		progress.add(s.layout.PieceSize(i))
		switch {
		case missing(err):
			return nil
		case err != nil:
			return fmt.Errorf("verifying piece %d of %q: %w", i, m.Name, err)
		case v1:
			good[i] = sum.v1 == m.PieceHash(i)
		default:
			good[i], roots[i] = true, sum.v2 // read; compared below
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !v1 {
		for i := range m.Files {
			compareRoots(m, &m.Files[i], good, roots)
		}
	}
	progress.finish()
	return good, nil
}

// missing reports whether a read failed because the content is not there, and not because the disk is bad.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ENOTDIR)
}

// compareRoots compares the pieces of a file of a v2 torrent, of which good says whether they could be read.
func compareRoots(m *metainfo.MetaInfo, f *metainfo.File, good []bool, roots [][32]byte) {
	if f.Length == 0 {
		return
	}
	first := m.Layout().PieceAt(f.Offset)
	count := int((f.Length-1)/m.PieceLength + 1)
	if f.Length <= m.PieceLength {
		good[first] = good[first] && roots[first] == f.Root
		return
	}
	if layer := m.PieceLayers[f.Root]; layer != nil {
		for i := range count {
			good[first+i] = good[first+i] && roots[first+i] == [32]byte(layer[i*32:])
		}
		return
	}
	all := true
	tree := metainfo.MerkleHasher{Height: metainfo.LayerHeight(m.PieceLength)}
	for i := range count {
		all = all && good[first+i]
		tree.Add(roots[first+i])
	}
	all = all && tree.Root(0) == f.Root
	for i := range count {
		good[first+i] = all
	}
}
