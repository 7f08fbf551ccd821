package storage

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// DefaultMaxOpen is how many files a [Files] keeps open when its config names neither a number nor a pool.
const DefaultMaxOpen = 64

// PartSuffix ends the name of a file that is not complete.
const PartSuffix = ".part"

// Prealloc says what is done to the disk before a file's first write.
type Prealloc int

// The kinds of preallocation.
const (
	PreallocNone   Prealloc = iota // nothing: the file ends at the last byte written so far
	PreallocSparse                 // the file has its full length at once, the disk space comes with the writes
	PreallocFull                   // the disk space is reserved; where the file system cannot, as PreallocSparse
)

// String returns the name of p on the command line.
func (p Prealloc) String() string {
	switch p {
	case PreallocNone:
		return "none"
	case PreallocSparse:
		return "sparse"
	case PreallocFull:
		return "full"
	}
	return fmt.Sprintf("Prealloc(%d)", int(p))
}

// FileSpec is one file of the content.
type FileSpec struct {
	Path   string // relative, slash-separated, made safe by the caller (metainfo does); unused for pads
	Offset int64  // of its first byte in the content
	Length int64  // bytes
	Pad    bool   // padding (BEP 47): reads as zeros, is never written
}

// FilesConfig says which files hold a content. Root and Files are needed; all else has a useful zero value.
type FilesConfig struct {
	// Root is the folder below which everything happens. It may itself be, or lie behind, a symbolic link: the user
	// chose it. It is created at the first write if absent.
	Root string
	// Files lists the content's files in order, without gaps. The slice is not retained.
	Files []FileSpec
	// ReadOnly refuses all writes and opens files for reading only: to seed or verify.
	ReadOnly bool
	// FollowSymlinks reads through symbolic links that stay below Root; only with ReadOnly, for folders that the user
	// shares as they are.
	FollowSymlinks bool
	// Wanted says which files the user selected; nil means all. The others get only the bytes of pieces that they share
	// with wanted neighbours: no preallocation, nothing in Required.
	Wanted []bool
	// Prealloc applies to wanted files.
	Prealloc Prealloc
	// MaxOpen bounds the open files, 0 means DefaultMaxOpen. Calls in progress may exceed it by one file each.
	MaxOpen int
	// Pool, if set, bounds the open files of many torrents together; MaxOpen is then unused.
	Pool *Pool
}

func (c *FilesConfig) validate() error {
	if c.Root == "" {
		return errors.New("storage: no root folder given")
	}
	if c.FollowSymlinks && !c.ReadOnly {
		return errors.New("storage: symbolic links are followed in read-only storages alone")
	}
	if c.Wanted != nil && len(c.Wanted) != len(c.Files) {
		return fmt.Errorf("storage: %d files but %d wanted flags", len(c.Files), len(c.Wanted))
	}
	if c.Prealloc < PreallocNone || c.Prealloc > PreallocFull {
		return fmt.Errorf("storage: unknown preallocation %d", int(c.Prealloc))
	}
	if c.MaxOpen < 0 {
		return fmt.Errorf("storage: negative number of open files %d", c.MaxOpen)
	}
	return validateFiles(c.Files)
}

// validateFiles also guards against names that would collide with one another's partial files: two entries that share a
// place on disk would silently overwrite each other.
func validateFiles(files []FileSpec) error {
	var end int64
	seen := make(map[string]bool, len(files))
	for i, f := range files {
		if f.Length < 0 || f.Offset != end || end+f.Length < end {
			return fmt.Errorf("storage: file %d at %d of %d bytes does not follow its predecessor, which ends at %d",
				i, f.Offset, f.Length, end)
		}
		end += f.Length
		if f.Pad {
			continue
		}
		if err := validatePath(f.Path); err != nil {
			return fmt.Errorf("storage: file %d: %w", i, err)
		}
		if seen[f.Path] {
			return fmt.Errorf("storage: file %d: two files named %q", i, f.Path)
		}
		seen[f.Path] = true
	}
	for i, f := range files {
		if !f.Pad && seen[f.Path+PartSuffix] {
			return fmt.Errorf("storage: file %d: %q and %q would share a partial file", i, f.Path, f.Path+PartSuffix)
		}
	}
	return nil
}

// validatePath is the second lock on a door that metainfo's sanitiser closed first.
func validatePath(p string) error {
	if p == "" || p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") ||
		strings.ContainsAny(p, "\x00") {
		return fmt.Errorf("unsafe path %q", p)
	}
	return nil
}
