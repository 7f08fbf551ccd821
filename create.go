package eddy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/eddy-p2p/eddy/internal/drive/content"
	"github.com/eddy-p2p/eddy/internal/drive/engine"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// CreateOptions says how Create makes a torrent. The zero value makes a v1 torrent of everything at the path.
type CreateOptions struct {
	Name        string // of the torrent; "" = the last element of the path
	PieceLength int64  // bytes, a power of two from 16 KiB on; 0 = metainfo.PieceLengthFor
	Format      metainfo.Format
	Trackers    [][]string // tiers of announce URLs (BEP 12)
	WebSeeds    []string   // BEP 19
	Private     bool       // BEP 27
	Comment     string
	Exclude     []string // patterns of path.Match: what matches is left out
	Include     []string // if any, only files that match are taken
	Workers     int      // hashing goroutines; 0 = one a core
	CacheDir    string   // where hashes of unchanged files are kept; "" = nowhere
	Rehash      bool     // read everything, whatever CacheDir remembers, and remember it anew
	Progress    func(done, total int64)
}

// Source is content that Create hashed, ready to be shared.
type Source struct {
	Meta       *metainfo.MetaInfo
	Path       string // absolute
	Size       int64  // bytes of all files
	Unreadable []Problem
	Skipped    []Problem // sockets, pipes and devices
	tree       *content.Tree
}

// Errors of Create, for errors.Is: links in a directory that it refuses.
var (
	ErrEscape = content.ErrEscape // leads outside of the directory
	ErrCycle  = content.ErrCycle  // leads back to a directory above it
)

// Problem is something in a directory that could not be made part of a torrent.
type Problem = content.Problem

// Create makes a torrent of the file or directory at path. A file that changes meanwhile is an error.
func Create(ctx context.Context, path string, opts CreateOptions) (*Source, error) {
	tree, err := content.Scan(ctx, path, content.Options{Exclude: opts.Exclude, Include: opts.Include})
	if err != nil {
		return nil, err
	}
	meta, err := content.Hash(ctx, tree, content.HashOptions{
		Format: opts.Format, PieceLength: opts.PieceLength, Name: opts.Name, Trackers: opts.Trackers, WebSeeds: opts.WebSeeds,
		Private: opts.Private, Comment: opts.Comment, Workers: opts.Workers, CacheDir: opts.CacheDir, Rehash: opts.Rehash, Progress: opts.Progress,
		CreatedBy: "eddy/" + Version,
	})
	if err != nil {
		return nil, err
	}
	return &Source{Meta: meta, Path: tree.Root, Size: tree.Size(), Unreadable: tree.Unreadable, Skipped: tree.Skipped, tree: tree}, nil
}

// spec serves the source where it lies, without verifying it again. The trackers are those of Meta at this moment.
func (s *Source) spec(o *TorrentOptions) (engine.Spec, error) {
	if err := content.Changed(s.tree); err != nil {
		return engine.Spec{}, fmt.Errorf("%w: %w", ErrSourceChanged, err)
	}
	meta := s.Meta
	if o.Meta != nil {
		if meta = o.Meta; meta.ID != s.Meta.ID {
			return engine.Spec{}, errors.New("adding a torrent: Meta and Source are of different torrents")
		}
	}
	byPath := make(map[string]*content.File, len(s.tree.Files))
	for i := range s.tree.Files {
		f := &s.tree.Files[i]
		byPath[strings.Join(f.Path, "/")] = f
	}
	spec := engine.Spec{Meta: meta, Root: filepath.Dir(s.tree.Root), Peers: o.Peers, ReadOnly: true, Complete: true, Content: s.tree.Root}
	for _, f := range meta.Files {
		fs := storage.FileSpec{Offset: f.Offset, Length: f.Length, Pad: f.Pad}
		var stamp engine.Stamp
		if !f.Pad {
			key := ""
			fs.Path = filepath.Base(s.tree.Root)
			if meta.MultiFile && s.tree.IsDir {
				key = strings.Join(f.Path, "/")
				fs.Path += "/" + key
			}
			src := byPath[key]
			if src == nil {
				return spec, fmt.Errorf("adding a torrent: %s is not part of %s", key, s.Path)
			}
			stamp = engine.Stamp{Size: src.Size, MTime: src.ModTime.UnixNano(), Inode: src.Inode}
		}
		spec.Files = append(spec.Files, fs)
		spec.Stamps = append(spec.Stamps, stamp)
	}
	if !o.NoTrackers {
		spec.Trackers = append(append([][]string{}, meta.Trackers()...), o.Trackers...)
	}
	return spec, nil
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Pieces       int
	Good         int
	Bad          []int    // pieces that are missing or differ
	MissingFiles []string // files of the torrent that are not there, by their path
}

// Verify hashes the content at path and compares it with the torrent. path is the content itself, or the directory that
// holds it under its name. workers 0 means one a core; progress may be nil.
func Verify(ctx context.Context, meta *metainfo.MetaInfo, path string, workers int, progress func(done, total int64)) (*VerifyReport, error) {
	root, _, files, err := locate(&meta.Info, path)
	if err != nil {
		return nil, err
	}
	rep := new(VerifyReport)
	paths := make([]string, len(files))
	for i, f := range files {
		if f.Pad {
			continue
		}
		paths[i] = filepath.Join(root, filepath.FromSlash(f.Path))
		if !exists(paths[i]) {
			if part := paths[i] + storage.PartSuffix; exists(part) { // a transfer that is under way
				paths[i] = part
			} else {
				rep.MissingFiles = append(rep.MissingFiles, f.Path)
			}
		}
	}
	good, err := content.VerifyFiles(ctx, paths, meta, content.VerifyOptions{Workers: workers, Progress: progress})
	if err != nil {
		return nil, err
	}
	rep.Pieces = len(good)
	for i, ok := range good {
		if ok {
			rep.Good++
		} else {
			rep.Bad = append(rep.Bad, i)
		}
	}
	return rep, nil
}
