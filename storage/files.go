package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// FileState says under which name a file's bytes are.
type FileState uint8

// The states of a file.
const (
	fileUnknown FileState = iota // not looked at yet, or something went wrong since
	FileAbsent                   // neither NAME nor NAME.part
	FilePartial                  // NAME.part
	FileFinal                    // NAME: complete, as far as names tell
)

// FileStat describes what is on disk for a file.
type FileStat struct {
	State     FileState
	Size      int64 // bytes; may differ from the length in the config
	Allocated int64 // bytes of disk space in use; equals Size where the system does not tell
	ModTime   time.Time
	Inode     uint64 // 0 where the system has none
}

// file is one file of the content and what is known about it.
type file struct {
	// constant
	path   string
	off    int64
	length int64
	pad    bool
	extra  bool // not wanted: here only for the pieces it shares with wanted neighbours

	mu      sync.Mutex // serialises opening, syncing and renaming this file
	state   FileState  // guarded by mu
	syncErr error      // guarded by mu: a failed fdatasync that no Sync reported yet
	readied bool       // guarded by mu: preallocated since we first opened it for writing

	dirty bool    // guarded by Files.mu: written since the last Sync
	h     *handle // guarded by Pool.mu: nil while closed
}

// Files is a Storage in files below one folder. It opens nothing before the first use and holds at most Pool's bound of
// files open; after Idle it holds none.
type Files struct {
	// constant
	root     root
	files    []file
	size     int64
	readOnly bool
	prealloc Prealloc
	pool     *Pool

	closed atomic.Bool
	syncMu sync.Mutex // one Sync at a time: a second must not return before the first is done

	mu        sync.Mutex // guards all below; never held over a system call
	dirty     []int
	dirtyDirs map[string]bool
	failed    error // the Sync error that stands until Recover
}

// Compile-time proof of the abilities.
var (
	_ Storage      = (*Files)(nil)
	_ VectorReader = (*Files)(nil)
	_ VectorWriter = (*Files)(nil)
	_ Finisher     = (*Files)(nil)
	_ DirtyMarker  = (*Files)(nil)
	_ Recoverer    = (*Files)(nil)
)

// OpenFiles returns the storage that cfg describes. It touches no disk yet: errors of the disk come with the first use.
func OpenFiles(cfg FilesConfig) (*Files, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Files{
		root:     root{path: cfg.Root, follow: cfg.FollowSymlinks},
		files:    make([]file, len(cfg.Files)),
		readOnly: cfg.ReadOnly,
		prealloc: cfg.Prealloc,
		pool:     cfg.Pool,
	}
	if s.pool == nil {
		s.pool = NewPool(cfg.MaxOpen)
	}
	for i, f := range cfg.Files {
		d := &s.files[i]
		d.path, d.off, d.length, d.pad = f.Path, f.Offset, f.Length, f.Pad
		d.extra = cfg.Wanted != nil && !cfg.Wanted[i]
		s.size = f.Offset + f.Length
	}
	return s, nil
}

// Size returns the bytes of the content, padding included.
func (s *Files) Size() int64 { return s.size }

// ReadAt implements Storage. Reads of a file that is absent or too short fail with an error for which IsMissing holds.
func (s *Files) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > s.size {
		return 0, fmt.Errorf("storage: read at %d of %d bytes of content", off, s.size)
	}
	short := int64(len(p)) > s.size-off
	if short {
		p = p[:s.size-off]
	}
	done := 0
	for i := s.find(off); done < len(p); i++ {
		f := &s.files[i]
		at := off + int64(done) - f.off
		n := int(min(int64(len(p)-done), f.length-at))
		if n == 0 {
			continue
		}
		got, err := s.readFile(i, p[done:done+n], at)
		done += got
		if err != nil {
			return done, err
		}
	}
	if short {
		return done, io.EOF
	}
	return done, nil
}

// WriteAt implements Storage. Bytes of pads are dropped.
func (s *Files) WriteAt(p []byte, off int64) (int, error) {
	if err := s.inside(off, int64(len(p))); err != nil {
		return 0, err
	}
	done := 0
	for i := s.find(off); done < len(p); i++ {
		f := &s.files[i]
		at := off + int64(done) - f.off
		n := int(min(int64(len(p)-done), f.length-at))
		if n == 0 {
			continue
		}
		got, err := s.writeFile(i, p[done:done+n], at)
		done += got
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (s *Files) inside(off, n int64) error {
	if off < 0 || off > s.size || n > s.size-off {
		return fmt.Errorf("storage: %d bytes at %d of %d bytes of content", n, off, s.size)
	}
	return nil
}

// find returns the first file that ends after off. For off == Size that is len(files).
func (s *Files) find(off int64) int {
	return sort.Search(len(s.files), func(i int) bool { return s.files[i].off+s.files[i].length > off })
}

func (s *Files) readFile(i int, p []byte, at int64) (int, error) {
	f := &s.files[i]
	if f.pad {
		clear(p)
		return len(p), nil
	}
	h, err := s.acquire(i, false)
	if err != nil {
		return 0, err
	}
	defer s.release(h)
	n, err := h.f.ReadAt(p, at)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the content goes on, only this file ends too early
	}
	return n, fail("read", f.path, err)
}

func (s *Files) writeFile(i int, p []byte, at int64) (int, error) {
	f := &s.files[i]
	if f.pad {
		return len(p), nil
	}
	h, err := s.acquire(i, true)
	if err != nil {
		return 0, err
	}
	defer s.release(h)
	n, err := h.f.WriteAt(p, at)
	s.markDirty(i)
	return n, fail("write", f.path, err)
}

// acquire returns the open handle of file i with a reference for the caller.
func (s *Files) acquire(i int, write bool) (*handle, error) {
	if s.closed.Load() {
		return nil, fail("open", s.files[i].path, fs.ErrClosed)
	}
	if write && s.readOnly {
		return nil, fail("write", s.files[i].path, ErrReadOnly)
	}
	f := &s.files[i]
	if h := s.pool.get(f, write); h != nil {
		return h, nil
	}
	f.mu.Lock()
	h, old, err := s.acquireLocked(i, write)
	f.mu.Unlock()
	if old != nil {
		s.closeHandle(old)
	}
	s.pool.trim()
	return h, err
}

// acquireLocked is acquire for callers that hold the file's lock; old is to be closed once they gave it up.
func (s *Files) acquireLocked(i int, write bool) (h, old *handle, err error) {
	f := &s.files[i]
	if h := s.pool.get(f, write); h != nil {
		return h, nil, nil
	}
	osf, writable, err := s.open(f, write)
	if err != nil {
		return nil, nil, err
	}
	h = &handle{owner: s, index: i, f: osf, fd: int(osf.Fd()), writable: writable}
	return h, s.pool.add(f, h), nil
}

func (s *Files) release(h *handle) {
	if s.pool.put(h) {
		s.closeHandle(h)
	}
}

// closeHandle closes a handle that nobody uses any more. A dirty file is synced first: its descriptor is the one that is
// sure to hear of a failed write-back. The caller holds no file's lock.
func (s *Files) closeHandle(h *handle) {
	f := &s.files[h.index]
	s.mu.Lock()
	dirty := f.dirty
	s.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if dirty && h.writable && !s.closed.Load() {
		if err := syncData(h.f); err != nil && f.syncErr == nil {
			f.syncErr = err
		}
	}
	if err := h.f.Close(); err != nil && h.writable && f.syncErr == nil {
		f.syncErr = err
	}
}

// open opens file f. The caller holds its lock.
func (s *Files) open(f *file, write bool) (osf *os.File, writable bool, err error) {
	for try := 0; ; try++ {
		if err := s.resolve(f); err != nil {
			return nil, false, err
		}
		switch f.state {
		case FileFinal:
			if write {
				return nil, false, fail("write", f.path, ErrComplete)
			}
			osf, err = s.root.open(f.path, os.O_RDONLY)
			err = fail("open", f.path, err)
		case FilePartial:
			osf, writable, err = s.openPartial(f, write)
		default:
			if !write {
				f.state = fileUnknown // look again next time: it may come
				return nil, false, fail("open", f.path, fs.ErrNotExist)
			}
			osf, err = s.create(f)
			return osf, err == nil, err
		}
		// Renamed or deleted by somebody since we looked: look once more.
		if errors.Is(err, fs.ErrNotExist) && try == 0 {
			f.state = fileUnknown
			continue
		}
		return osf, writable, err
	}
}

// openPartial opens NAME.part for both reading and writing if possible, so that one descriptor serves both.
func (s *Files) openPartial(f *file, write bool) (*os.File, bool, error) {
	name := f.path + PartSuffix
	if !s.readOnly {
		osf, err := s.root.open(name, os.O_RDWR)
		if err == nil {
			err = s.ready(f, osf)
		}
		if err == nil {
			return osf, true, nil
		}
		if write {
			return nil, false, fail("open", name, err)
		}
	}
	osf, err := s.root.open(name, os.O_RDONLY)
	return osf, false, fail("open", name, err)
}

// create makes NAME.part and the folders above it.
func (s *Files) create(f *file) (*os.File, error) {
	name := f.path + PartSuffix
	made, err := s.root.mkdirs(path.Dir(name))
	s.markDirs(made...)
	if err != nil {
		return nil, fail("create the folder of", name, err)
	}
	osf, err := s.root.open(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fail("create", name, err)
	}
	s.markDirs(path.Dir(name))
	f.state = FilePartial
	if err := s.ready(f, osf); err != nil {
		return nil, fail("preallocate", name, err)
	}
	return osf, nil
}

// ready prepares a partial file for its first write: no bystander's bytes, and the disk space the user asked for. It
// closes osf on failure.
func (s *Files) ready(f *file, osf *os.File) error {
	if f.readied {
		return nil
	}
	err := soleLink(osf)
	if err == nil && !f.extra {
		err = s.allocate(f, osf)
	}
	if err != nil {
		osf.Close()
		return err
	}
	f.readied = true
	return nil
}

func (s *Files) allocate(f *file, osf *os.File) error {
	if s.prealloc == PreallocFull && f.length > 0 {
		if done, err := fallocate(osf, f.length); done || err != nil {
			return err
		}
	}
	if s.prealloc == PreallocNone {
		return nil
	}
	fi, err := osf.Stat()
	if err != nil || fi.Size() >= f.length {
		return err
	}
	return osf.Truncate(f.length)
}

// resolve finds out under which name f is. The caller holds its lock.
func (s *Files) resolve(f *file) error {
	if f.state != fileUnknown && f.state != FileAbsent {
		return nil
	}
	st, err := s.lookup(f)
	if err != nil {
		return err
	}
	f.state = st.State
	return nil
}

// lookup stats NAME, then NAME.part.
func (s *Files) lookup(f *file) (FileStat, error) {
	for _, c := range [...]struct {
		name  string
		state FileState
	}{{f.path, FileFinal}, {f.path + PartSuffix, FilePartial}} {
		st, err := s.root.stat(c.name)
		if err == nil {
			st.State = c.state
			return st, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return FileStat{}, fail("stat", c.name, err)
		}
	}
	return FileStat{State: FileAbsent}, nil
}

// Stat looks at what is on disk for file i. For a pad it reports a final file of the pad's length.
func (s *Files) Stat(i int) (FileStat, error) {
	f := &s.files[i]
	if f.pad {
		return FileStat{State: FileFinal, Size: f.length}, nil
	}
	return s.lookup(f)
}

// Required returns how many bytes of disk space the wanted files still need. Compare with FreeSpace.
func (s *Files) Required() (int64, error) {
	var sum int64
	for i := range s.files {
		f := &s.files[i]
		if f.pad || f.extra {
			continue
		}
		st, err := s.lookup(f)
		if err != nil {
			return 0, err
		}
		sum += max(0, f.length-st.Allocated)
	}
	return sum, nil
}
