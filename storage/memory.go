package storage

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// Memory is a Storage in memory, zeros at first: for tests, simulations and content that needs no disk.
type Memory struct {
	mu     sync.RWMutex
	data   []byte // guarded by mu
	closed bool   // guarded by mu
}

// NewMemory returns a storage of size bytes.
func NewMemory(size int64) *Memory { return &Memory{data: make([]byte, size)} }

// NewMemoryFrom returns a storage whose content is data, which it owns from now on.
func NewMemoryFrom(data []byte) *Memory { return &Memory{data: data} }

// ReadAt implements Storage.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return 0, fail("read", "memory", fs.ErrClosed)
	}
	if off < 0 || off > int64(len(m.data)) {
		return 0, fmt.Errorf("storage: read at %d of %d bytes of content", off, len(m.data))
	}
	n := copy(p, m.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements Storage.
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, fail("write", "memory", fs.ErrClosed)
	}
	if off < 0 || off > int64(len(m.data)) || len(p) > len(m.data)-int(off) {
		return 0, fmt.Errorf("storage: %d bytes at %d of %d bytes of content", len(p), off, len(m.data))
	}
	return copy(m.data[off:], p), nil
}

// Sync implements Storage; there is nothing more durable to move to.
func (m *Memory) Sync() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return fail("sync", "memory", fs.ErrClosed)
	}
	return nil
}

// Close implements Storage.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fail("close", "memory", fs.ErrClosed)
	}
	m.closed = true
	return nil
}
