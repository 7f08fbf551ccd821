package storage

import (
	"os"
	"sync"
)

// Pool bounds how many files are open at once, over one or many torrents: the least recently used one that no call is
// using is closed first.
type Pool struct {
	max int

	mu   sync.Mutex // guards all below and, of every handle, all but its constant fields; never held over a system call
	lru  handle     // ring of open handles, most recently used first
	open int
}

// NewPool returns a pool of max open files; max <= 0 means DefaultMaxOpen.
func NewPool(max int) *Pool {
	if max <= 0 {
		max = DefaultMaxOpen
	}
	p := &Pool{max: max}
	p.lru.next, p.lru.prev = &p.lru, &p.lru
	return p
}

// Open returns how many files are open now.
func (p *Pool) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// handle is one open file. It stays open while refs > 0, also when the pool has already dropped it.
type handle struct {
	// constant
	owner    *Files
	index    int
	f        *os.File
	fd       int
	writable bool

	// guarded by Pool.mu
	refs       int
	dropped    bool // no longer reachable from file.h: closed by the last release
	prev, next *handle
}

// get returns the open handle of f with a reference for the caller, or nil if there is none fit for the purpose.
func (p *Pool) get(f *file, write bool) *handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := f.h
	if h == nil || write && !h.writable {
		return nil
	}
	h.refs++
	p.unlink(h)
	p.linkFirst(h)
	return h
}

// add makes h, with one reference, the handle of f and returns the one it replaces, to be closed if not nil.
func (p *Pool) add(f *file, h *handle) (old *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.dropLocked(f)
	f.h = h
	h.refs = 1
	p.linkFirst(h)
	p.open++
	return old
}

// put gives a reference back; true means that the caller must close the handle.
func (p *Pool) put(h *handle) (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.refs--
	return h.dropped && h.refs == 0
}

// drop makes f closed to newcomers. It returns the handle if the caller must close it; otherwise the last user will.
func (p *Pool) drop(f *file) *handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropLocked(f)
}

func (p *Pool) dropLocked(f *file) *handle {
	h := f.h
	if h == nil {
		return nil
	}
	f.h = nil
	h.dropped = true
	p.unlink(h)
	p.open--
	if h.refs > 0 {
		return nil
	}
	return h
}

// victim drops and returns the least recently used idle handle while the pool is over its bound.
func (p *Pool) victim() *handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open <= p.max {
		return nil
	}
	for h := p.lru.prev; h != &p.lru; h = h.prev {
		if h.refs == 0 {
			return p.dropLocked(&h.owner.files[h.index])
		}
	}
	return nil
}

// trim closes idle files until the pool is within its bound. The caller holds no file's lock: a victim may be dirty and
// is then synced under its own.
func (p *Pool) trim() {
	for h := p.victim(); h != nil; h = p.victim() {
		h.owner.closeHandle(h)
	}
}

func (p *Pool) linkFirst(h *handle) {
	h.prev, h.next = &p.lru, p.lru.next
	h.prev.next, h.next.prev = h, h
}

func (p *Pool) unlink(h *handle) {
	h.prev.next, h.next.prev = h.next, h.prev
	h.prev, h.next = nil, nil
}
