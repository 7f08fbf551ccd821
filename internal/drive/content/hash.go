package content

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/metainfo"
)

// HashOptions says what kind of torrent Hash makes. The zero value makes a v1 torrent without trackers.
type HashOptions struct {
	Format      metainfo.Format
	PieceLength int64  // bytes, a power of two from 16 KiB on; 0: metainfo.PieceLengthFor the size
	Name        string // of the torrent; "": that of the tree
	Private     bool   // BEP 27
	Source      string // changes the infohash without changing the content

	Trackers  [][]string // tiers
	WebSeeds  []string
	Comment   string
	CreatedBy string
	Created   time.Time // zero: the torrent does not say when it was made

	Workers  int                     // goroutines; 0: one a core
	Progress func(done, total int64) // bytes; called from one goroutine at a time, at most once a piece
	CacheDir string                  // where hashes of pieces are remembered; "": nowhere
	Rehash   bool                    // read everything, whatever is remembered, and remember it anew
}

// Hash makes a torrent of a tree, reading its files once on all cores. A file that is not as it was scanned, before or
// after, is ErrChanged. Pieces whose files are unchanged since an earlier Hash with the same CacheDir are not read.
func Hash(ctx context.Context, t *Tree, opt HashOptions) (*metainfo.MetaInfo, error) {
	j, err := newJob(t, opt)
	if err != nil {
		return nil, fmt.Errorf("hashing %s: %w", t.Root, err)
	}
	if err := j.run(ctx); err != nil {
		return nil, fmt.Errorf("hashing %s: %w", t.Root, err)
	}
	m, err := j.build()
	if err != nil {
		return nil, fmt.Errorf("hashing %s: %w", t.Root, err)
	}
	return m, nil
}

// job is one call of Hash.
type job struct {
	tree    *Tree
	opt     HashOptions
	builder metainfo.Builder
	sources []File          // parallel to builder.Sources
	files   []metainfo.File // the content, padding included
	from    []*File         // parallel to files; nil for padding
	shape   shape
	sums    []pieceSum
	started time.Time
}

// newJob lays out the content and refuses early what could not become a torrent.
func newJob(t *Tree, opt HashOptions) (*job, error) {
	size := t.Size()
	if size == 0 {
		return nil, ErrNothing
	}
	if opt.PieceLength == 0 {
		opt.PieceLength = metainfo.PieceLengthFor(size)
	}
	if pl := opt.PieceLength; pl < metainfo.BlockSize || pl > metainfo.MaxPieceLength || bits.OnesCount64(uint64(pl)) != 1 {
		return nil, fmt.Errorf("piece length %d is not a power of two from 16 KiB to 1 GiB", pl)
	}
	if opt.Name == "" {
		opt.Name = t.Name
	}
	j := &job{tree: t, opt: opt, sources: slices.Clone(t.Files), started: time.Now()}
	metainfo.SortSources(j.sources, opt.Format, func(f File) []string { return f.Path })
	j.builder = metainfo.Builder{Format: opt.Format, Name: opt.Name, PieceLength: opt.PieceLength, MultiFile: t.IsDir,
		Private: opt.Private, Source: opt.Source}
	for i := range j.sources {
		s := &j.sources[i]
		j.builder.Sources = append(j.builder.Sources, metainfo.Source{Path: s.Path, Length: s.Size, Executable: s.Executable})
	}
	j.files = j.builder.Files()
	next := 0
	for i := range j.files {
		var f *File
		if !j.files[i].Pad {
			f = &j.sources[next]
			next++
		}
		j.from = append(j.from, f)
	}
	j.shape = newShape(j.files, opt.PieceLength, opt.Format.HasV1(), opt.Format.HasV2())
	n := j.shape.layout.NumPieces()
	if n > metainfo.MaxPieces || int64(n)*j.hashBytes() > metainfo.MaxBytes {
		return nil, fmt.Errorf("%d pieces of %d bytes are too many for one torrent: use larger pieces", n, opt.PieceLength)
	}
	j.sums = make([]pieceSum, n)
	return j, nil
}

// hashBytes returns how much a piece adds to the torrent.
func (j *job) hashBytes() int64 {
	var n int64
	if j.shape.v1 {
		n += 20
	}
	if j.shape.v2 {
		n += 32
	}
	return n
}

// run computes the sums of all pieces, those of unchanged files from the cache.
func (j *job) run(ctx context.Context) error {
	if err := Changed(j.tree); err != nil {
		return err
	}
	c := j.openCache()
	progress := meter{total: j.shape.layout.Size, report: j.opt.Progress}
	var todo []int
	for i := range j.sums {
		if sum, ok := c.get(i); ok {
			j.sums[i] = sum
			progress.done.Add(j.shape.layout.PieceSize(i))
		} else {
			todo = append(todo, i)
		}
	}
	paths := make([]string, len(j.files))
	for i, f := range j.from {
		if f != nil {
			paths[i] = f.Real
		}
	}
	src := func() (io.ReaderAt, func()) {
		r := NewReader(j.files, paths)
		return r, func() { r.Close() }
	}
	err := each(ctx, len(todo), j.opt.Workers, &j.shape, src, func(ctx context.Context, h *hasher, k int) error {
		sum, err := h.sum(ctx, todo[k])
		if err != nil {
			return err
		}
		j.sums[todo[k]] = sum
		progress.add(j.shape.layout.PieceSize(todo[k]))
		return nil
	})
	if err != nil {
		// A file that shrank or went away shows as a failed read: say what happened rather than what it looked like.
		if changed := Changed(j.tree); changed != nil && ctx.Err() == nil {
			return fmt.Errorf("%w (%v)", changed, err)
		}
		return err
	}
	if err := Changed(j.tree); err != nil {
		return err
	}
	if len(todo) > 0 {
		c.save(j)
	}
	progress.finish()
	return nil
}

// build makes the torrent of the sums.
func (j *job) build() (*metainfo.MetaInfo, error) {
	if j.shape.v1 {
		j.builder.Pieces = make([]byte, 0, 20*len(j.sums))
		for i := range j.sums {
			j.builder.Pieces = append(j.builder.Pieces, j.sums[i].v1[:]...)
		}
	}
	if j.shape.v2 {
		next := 0
		for i := range j.files {
			if !j.files[i].Pad {
				j.setRoot(&j.builder.Sources[next], &j.files[i])
				next++
			}
		}
	}
	m, err := j.builder.Build()
	if err != nil {
		return nil, err
	}
	j.setLinks(m)
	return m, nil
}

// setRoot derives a file's pieces root and piece layer from the sums of its pieces.
func (j *job) setRoot(s *metainfo.Source, f *metainfo.File) {
	if f.Length == 0 {
		return
	}
	first := j.shape.layout.PieceAt(f.Offset)
	if f.Length <= j.opt.PieceLength {
		s.Root = j.sums[first].v2
		return
	}
	n := int((f.Length-1)/j.opt.PieceLength + 1)
	s.Layer = make([]byte, 0, 32*n)
	for i := range n {
		s.Layer = append(s.Layer, j.sums[first+i].v2[:]...)
	}
	s.Root = metainfo.LayerRoot(s.Layer, j.opt.PieceLength)
}

// setLinks adds what stands around the info dictionary. The announce list is written only where the one tracker that old
// clients read does not say it all.
func (j *job) setLinks(m *metainfo.MetaInfo) {
	urls := 0
	for _, tier := range j.opt.Trackers {
		if len(tier) == 0 {
			continue
		}
		if urls == 0 {
			m.Announce = tier[0]
		}
		urls += len(tier)
		m.AnnounceList = append(m.AnnounceList, slices.Clone(tier))
	}
	if urls < 2 {
		m.AnnounceList = nil
	}
	m.URLList = slices.Clone(j.opt.WebSeeds)
	m.Comment, m.CreatedBy = j.opt.Comment, j.opt.CreatedBy
	if !j.opt.Created.IsZero() {
		m.CreationDate = j.opt.Created.Unix()
	}
}
