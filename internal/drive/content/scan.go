package content

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/metainfo"
)

// maxFiles bounds a tree: links to directories can make a small one very large.
const maxFiles = 1_000_000

// Options says which files of a directory Scan takes. Patterns are those of path.Match; one without a slash is matched
// with every element of the path, one with a slash with the path from the directory on and with its leading parts.
type Options struct {
	Exclude []string // what matches is left out, directories with all that is below
	Include []string // if not empty, only files that match are taken
}

// File is one regular file of a tree, as it was when scanned.
type File struct {
	Path       []string // elements below the tree's directory; nil for a single file
	Real       string   // absolute path to open
	Size       int64
	ModTime    time.Time
	Inode, Dev uint64 // zero on systems without them
	Executable bool
}

// Problem is something in a directory that is not part of the tree.
type Problem struct {
	Path string // below the directory, with slashes
	Err  error
}

// Tree is a file or a directory to make a torrent of.
type Tree struct {
	Root  string // absolute path of the file or directory
	Name  string // its last element: the torrent's name
	IsDir bool
	Files []File // in mktorrent's order: by the bytes of the path

	Unreadable []Problem // files and directories that could not be opened, and links to nothing
	Skipped    []Problem // sockets, pipes and devices
}

// Size returns the bytes of all files.
func (t *Tree) Size() int64 {
	var sum int64
	for i := range t.Files {
		sum += t.Files[i].Size
	}
	return sum
}

// PathsOf returns where the files of a torrent that Hash made of the tree are, parallel to files; "" for padding. It is
// what to seed from: names on disk may differ from the safe paths that receivers use.
func (t *Tree) PathsOf(files []metainfo.File) ([]string, error) {
	real := make(map[string]string, len(t.Files))
	for i := range t.Files {
		real[strings.Join(t.Files[i].Path, "/")] = t.Files[i].Real
	}
	paths := make([]string, len(files))
	for i := range files {
		switch {
		case files[i].Pad:
		case !t.IsDir && len(t.Files) == 1:
			paths[i] = t.Files[0].Real
		default:
			p, ok := real[strings.Join(files[i].Path, "/")]
			if !ok {
				return nil, fmt.Errorf("finding %q in %s: %w", strings.Join(files[i].Path, "/"), t.Root, fs.ErrNotExist)
			}
			paths[i] = p
		}
	}
	return paths, nil
}

// Errors that callers tell apart.
var (
	ErrEscape  = errors.New("symbolic link leads outside of the directory")
	ErrCycle   = errors.New("symbolic link leads back to a directory above it")
	ErrNothing = errors.New("nothing to share: no bytes in it")
)

// Scan lists what is at path. Hidden and empty files are included. In a directory, symbolic links to files and directories
// inside are followed; one that leads outside is ErrEscape, one to a directory above itself ErrCycle, since a receiver
// would get something else than what the user sees. What cannot be read is listed in the tree, not an error.
func Scan(ctx context.Context, path string, opt Options) (*Tree, error) {
	for _, p := range append(append([]string(nil), opt.Exclude...), opt.Include...) {
		if err := checkGlob(p); err != nil {
			return nil, fmt.Errorf("scanning %s: pattern %q: %w", path, p, err)
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("scanning %s: %w", path, err)
	}
	st, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("scanning %s: %w", path, err)
	}
	t := &Tree{Root: abs, Name: filepath.Base(abs), IsDir: st.IsDir()}
	if t.Name == string(filepath.Separator) || t.Name == "." {
		return nil, fmt.Errorf("scanning %s: it has no name to give to the torrent", path)
	}
	switch {
	case st.Mode().IsRegular():
		f, err := os.Open(abs)
		if err != nil {
			return nil, fmt.Errorf("scanning %s: %w", path, err)
		}
		f.Close()
		t.Files = []File{newFile(nil, abs, st)}
	case st.IsDir():
		s := &scan{ctx: ctx, tree: t, opt: opt}
		if s.realRoot, err = filepath.EvalSymlinks(abs); err != nil {
			return nil, fmt.Errorf("scanning %s: %w", path, err)
		}
		if err := s.dir(abs, nil, []os.FileInfo{st}); err != nil {
			return nil, fmt.Errorf("scanning %s: %w", path, err)
		}
		metainfo.SortSources(t.Files, metainfo.V1, func(f File) []string { return f.Path })
	default:
		return nil, fmt.Errorf("scanning %s: neither a file nor a directory", path)
	}
	return t, nil
}

func newFile(path []string, abs string, st os.FileInfo) File {
	f := File{Path: path, Real: abs, Size: st.Size(), ModTime: st.ModTime(), Executable: st.Mode()&0o111 != 0}
	f.Inode, f.Dev = inode(st)
	return f
}

// scan is one walk over a directory.
type scan struct {
	ctx      context.Context
	tree     *Tree
	opt      Options
	realRoot string // the directory without symbolic links
}

// dir adds the files of a directory. above holds the directories on the way to it, itself included: whoever leads back to
// one of them makes a cycle, which also bounds the recursion.
func (s *scan) dir(abs string, path []string, above []os.FileInfo) error {
	entries, err := os.ReadDir(abs)
	if err != nil {
		if len(path) == 0 {
			return err
		}
		s.unreadable(path, err)
		return nil
	}
	for _, e := range entries {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		sub := append(path[:len(path):len(path)], e.Name())
		if matchAny(s.opt.Exclude, sub) {
			continue
		}
		if err := s.entry(filepath.Join(abs, e.Name()), sub, e, above); err != nil {
			return err
		}
	}
	return nil
}

// entry adds what one directory entry stands for.
func (s *scan) entry(abs string, path []string, e fs.DirEntry, above []os.FileInfo) error {
	if e.Type()&fs.ModeSymlink != 0 {
		inside, err := s.inside(abs)
		if err != nil {
			s.unreadable(path, err)
			return nil
		}
		if !inside {
			return fmt.Errorf("%s: %w", strings.Join(path, "/"), ErrEscape)
		}
	}
	st, err := os.Stat(abs)
	if err != nil {
		s.unreadable(path, err)
		return nil
	}
	switch {
	case st.IsDir():
		for _, up := range above {
			if os.SameFile(up, st) {
				return fmt.Errorf("%s: %w", strings.Join(path, "/"), ErrCycle)
			}
		}
		return s.dir(abs, path, append(above[:len(above):len(above)], st))
	case !st.Mode().IsRegular():
		s.tree.Skipped = append(s.tree.Skipped, Problem{strings.Join(path, "/"), fmt.Errorf("not a regular file (%v)", st.Mode().Type())})
		return nil
	}
	if len(s.opt.Include) > 0 && !matchAny(s.opt.Include, path) {
		return nil
	}
	f, err := os.Open(abs)
	if err != nil {
		s.unreadable(path, err)
		return nil
	}
	f.Close()
	if len(s.tree.Files) == maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	s.tree.Files = append(s.tree.Files, newFile(path, abs, st))
	return nil
}

func (s *scan) unreadable(path []string, err error) {
	s.tree.Unreadable = append(s.tree.Unreadable, Problem{strings.Join(path, "/"), err})
}

// inside reports whether a symbolic link ends in the directory that is scanned.
func (s *scan) inside(link string) (bool, error) {
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		return false, err
	}
	return target == s.realRoot || strings.HasPrefix(target, strings.TrimSuffix(s.realRoot, string(filepath.Separator))+string(filepath.Separator)), nil
}

// ErrChanged is returned where a file is not what it was when it was scanned.
var ErrChanged = errors.New("changed since it was scanned")

// Changed returns an error, ErrChanged or why a file cannot be looked at, for the first file of the tree that is no longer
// the one that was scanned by size, time of change, or inode; nil if all are.
func Changed(t *Tree) error {
	for i := range t.Files {
		f := &t.Files[i]
		st, err := os.Stat(f.Real)
		if err != nil {
			return fmt.Errorf("checking %s: %w", f.Real, err)
		}
		ino, dev := inode(st)
		if !st.Mode().IsRegular() || st.Size() != f.Size || !st.ModTime().Equal(f.ModTime) || ino != f.Inode || dev != f.Dev {
			return fmt.Errorf("checking %s: %w", f.Real, ErrChanged)
		}
	}
	return nil
}
