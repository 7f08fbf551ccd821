package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// FinishFile implements Finisher: it makes the bytes of file i durable and renames NAME.part to NAME. The order matters:
// after a power cut a final name must not stand over bytes that never reached the disk. An empty file is created here. A
// NAME that somebody else made meanwhile is never replaced: the error is fs.ErrExist.
func (s *Files) FinishFile(i int) error {
	f := &s.files[i]
	if f.pad {
		return nil
	}
	if s.closed.Load() {
		return fail("finish", f.path, fs.ErrClosed)
	}
	if s.readOnly {
		return fail("finish", f.path, ErrReadOnly)
	}
	f.mu.Lock()
	stale, err := s.finishLocked(i)
	f.mu.Unlock()
	for _, h := range stale {
		if h != nil {
			s.closeHandle(h)
		}
	}
	s.pool.trim()
	return err
}

// finishLocked returns handles to close once the file's lock is given up.
func (s *Files) finishLocked(i int) (stale [2]*handle, err error) {
	f := &s.files[i]
	before := f.state
	f.state = fileUnknown
	if err := s.resolve(f); err != nil {
		return stale, err
	}
	if f.state == FileFinal {
		if before == FilePartial {
			// Ours is the partial one, if it is still there: this one is somebody else's.
			if _, err := s.root.stat(f.path + PartSuffix); err == nil {
				f.state = FilePartial
				return stale, fail("rename", f.path+PartSuffix, fs.ErrExist)
			}
		}
		return stale, s.checkFinal(f)
	}
	if f.length == 0 && f.state == FileAbsent {
		return stale, s.createEmpty(f)
	}
	h, old, err := s.acquireLocked(i, true)
	stale[0] = old
	if err != nil {
		return stale, err
	}
	if err = s.seal(f, h); err == nil {
		err = fail("rename", f.path+PartSuffix, s.root.rename(f.path+PartSuffix, f.path, false))
	}
	if err == nil {
		f.state = FileFinal
		s.markDirs(path.Dir(f.path))
	}
	// Whoever reads the file from now on gets a descriptor that cannot write.
	s.pool.drop(f)
	if s.pool.put(h) {
		stale[1] = h
	}
	return stale, err
}

// seal makes sure that what we wrote is what has the name, has the right length and is on the disk.
func (s *Files) seal(f *file, h *handle) error {
	name := f.path + PartSuffix
	fi, err := h.f.Stat()
	if err != nil {
		return fail("stat", name, err)
	}
	st, err := s.root.stat(name)
	if err != nil {
		return fail("stat", name, err)
	}
	if !sameInode(fi, st) {
		return fail("finish", name, ErrChanged)
	}
	if fi.Size() < f.length {
		return fail("finish", name, io.ErrUnexpectedEOF)
	}
	if fi.Size() > f.length {
		if err := h.f.Truncate(f.length); err != nil {
			return fail("truncate", name, err)
		}
	}
	if f.syncErr != nil {
		return fail("sync", name, f.syncErr)
	}
	if err := syncData(h.f); err != nil {
		f.syncErr = err // for the next Sync, too: it must not vouch for this file
		return fail("sync", name, err)
	}
	return nil
}

func (s *Files) checkFinal(f *file) error {
	st, err := s.root.stat(f.path)
	if err != nil {
		return fail("stat", f.path, err)
	}
	if st.Size != f.length {
		return fail("finish", f.path, ErrChanged)
	}
	return nil
}

func (s *Files) createEmpty(f *file) error {
	made, err := s.root.mkdirs(path.Dir(f.path))
	s.markDirs(made...)
	if err != nil {
		return fail("create the folder of", f.path, err)
	}
	osf, err := s.root.open(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return fail("create", f.path, err)
	}
	s.markDirs(path.Dir(f.path))
	f.state = FileFinal
	return fail("close", f.path, osf.Close())
}

// Unfinish renames NAME to NAME.part, so that a file which turned out not to be complete can be repaired in place. The
// caller asks its user first: writing is what follows. A NAME.part that was there besides is replaced. Files that are
// partial or absent stay as they are.
func (s *Files) Unfinish(i int) error {
	f := &s.files[i]
	if f.pad {
		return nil
	}
	if s.readOnly {
		return fail("reopen", f.path, ErrReadOnly)
	}
	f.mu.Lock()
	f.state = fileUnknown
	err := s.resolve(f)
	var h *handle
	if err == nil && f.state == FileFinal {
		err = fail("rename", f.path, s.root.rename(f.path, f.path+PartSuffix, true))
		if err == nil {
			f.state, f.readied = FilePartial, false
			h = s.pool.drop(f)
			s.markDirs(path.Dir(f.path))
		}
	}
	f.mu.Unlock()
	if h != nil {
		s.closeHandle(h)
	}
	return err
}

func (s *Files) markDirty(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := &s.files[i]; !f.dirty {
		f.dirty = true
		s.dirty = append(s.dirty, i)
	}
}

func (s *Files) markDirs(dirs ...string) {
	if len(dirs) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirtyDirs == nil {
		s.dirtyDirs = make(map[string]bool)
	}
	for _, d := range dirs {
		s.dirtyDirs[d] = true
	}
}

// MarkDirty implements DirtyMarker: the next Sync covers the files that hold [off, off+length), whoever wrote them.
func (s *Files) MarkDirty(off, length int64) {
	for i := s.find(off); i < len(s.files) && s.files[i].off < off+length; i++ {
		if f := &s.files[i]; !f.pad && f.length > 0 {
			s.markDirty(i)
			if f.path != "" {
				s.markDirs(path.Dir(f.path))
			}
		}
	}
}

// Sync implements Storage: fdatasync of every file written since the last Sync, fsync of every folder in which a name
// changed. A failure stands until Recover: see the package comment.
func (s *Files) Sync() error {
	s.syncMu.Lock()
	defer s.syncMu.Unlock()
	if s.closed.Load() {
		return fail("sync", s.root.path, fs.ErrClosed)
	}
	s.mu.Lock()
	if err := s.failed; err != nil {
		s.mu.Unlock()
		return err
	}
	dirty, dirs := s.dirty, s.dirtyDirs
	s.dirty, s.dirtyDirs = nil, nil
	for _, i := range dirty {
		s.files[i].dirty = false // before the fdatasync: a write from here on makes it dirty again
	}
	s.mu.Unlock()
	var errs []error
	for _, i := range dirty {
		if err := s.syncFile(i); err != nil {
			errs = append(errs, err)
		}
	}
	for d := range dirs {
		if err := s.root.syncDir(d); err != nil {
			errs = append(errs, fail("sync folder", d, err))
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
	}
	return err
}

func (s *Files) syncFile(i int) error {
	f := &s.files[i]
	f.mu.Lock()
	err := f.syncErr
	var old *handle
	if err == nil {
		var h *handle
		if h, old, err = s.acquireLocked(i, false); err == nil {
			err = syncData(h.f)
			if s.pool.put(h) {
				old = h
			}
		}
	}
	f.mu.Unlock()
	if old != nil {
		s.closeHandle(old)
	}
	s.pool.trim()
	return fail("sync", f.path, err)
}

// Recover implements Recoverer: it forgets the failed Sync and has the kernel forget clean pages, so that verifying reads
// what the disk has and not what memory had. Verify all that was written since the last good Sync before recording it.
func (s *Files) Recover() error {
	s.syncMu.Lock()
	defer s.syncMu.Unlock()
	var errs []error
	for i := range s.files {
		f := &s.files[i]
		if f.pad || f.length == 0 {
			continue
		}
		h, err := s.acquire(i, false)
		if err != nil {
			if !IsMissing(err) {
				errs = append(errs, err)
			}
			continue
		}
		if err := dropCache(h.f); err != nil {
			errs = append(errs, fail("drop cached pages of", f.path, err))
		}
		s.release(h)
		f.mu.Lock()
		f.syncErr = nil
		f.mu.Unlock()
	}
	s.mu.Lock()
	s.failed = nil
	s.mu.Unlock()
	return errors.Join(errs...)
}

// Idle syncs what is dirty and closes all files. The next use opens them again: a torrent that nobody asks for holds no
// descriptor.
func (s *Files) Idle() error {
	err := s.Sync()
	s.closeAll()
	return err
}

// Close implements Storage.
func (s *Files) Close() error {
	if s.closed.Swap(true) {
		return fail("close", s.root.path, fs.ErrClosed)
	}
	s.closeAll()
	return nil
}

func (s *Files) closeAll() {
	for i := range s.files {
		if h := s.pool.drop(&s.files[i]); h != nil {
			s.closeHandle(h)
		}
	}
}
