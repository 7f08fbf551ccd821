package storagetest

import (
	"math/rand/v2"
	"sync"

	"github.com/eddy-p2p/eddy/storage"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Crash is a storage in memory that knows what a power cut would leave of it.
type Crash struct {
	*storage.Memory

	mu      sync.Mutex
	durable []byte  // guarded by mu
	pending []write // guarded by mu: since the last Sync
}

type write struct {
	off  int64
	data []byte
}

// NewCrash returns a storage of size bytes, durably zero.
func NewCrash(size int64) *Crash {
	return &Crash{Memory: storage.NewMemory(size), durable: make([]byte, size)}
}

// WriteAt implements storage.Storage.
func (c *Crash) WriteAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.Memory.WriteAt(p, off)
	if n > 0 {
		c.pending = append(c.pending, write{off, append([]byte(nil), p[:n]...)})
	}
	return n, err
}

// Sync implements storage.Storage.
func (c *Crash) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Memory.Sync(); err != nil {
		return err
	}
	for _, w := range c.pending {
		copy(c.durable[w.off:], w.data)
	}
	c.pending = nil
	return nil
}

// Cut returns what the disk has after a power cut now: all that was synced, and of the rest what chance left: writes
// dropped, torn at sectors, in any order.
func (c *Crash) Cut(rng *rand.Rand) *storage.Memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	image := append([]byte(nil), c.durable...)
	for _, i := range rng.Perm(len(c.pending)) {
		w := c.pending[i]
		switch rng.IntN(3) {
		case 0: // dropped
		case 1: // whole
			copy(image[w.off:], w.data)
		case 2:
			tear(image, w, rng)
		}
	}
	return storage.NewMemoryFrom(image)
}

// tear applies about half of the sectors of w.
func tear(image []byte, w write, rng *rand.Rand) {
	for at := int64(0); at < int64(len(w.data)); {
		end := min(int64(len(w.data)), (w.off+at)/sector*sector+sector-w.off)
		if rng.IntN(2) == 0 {
			copy(image[w.off+at:], w.data[at:end])
		}
		at = end
	}
}

// Op is what a Faulty storage is about to do.
type Op uint8

// The operations.
const (
	OpRead Op = iota
	OpWrite
	OpSync
)

// Faulty is a storage that fails where Before says so. Its fields are set before use and not changed after.
type Faulty struct {
	storage.Storage
	// Before is called before every operation with its range; an error fails the operation. Half of a failing write is
	// done nevertheless, as a full disk would.
	Before func(op Op, off, n int64) error
	// Read, if set, may change the bytes that were read: bit rot.
	Read func(off int64, p []byte)
}

// ReadAt implements storage.Storage.
func (f *Faulty) ReadAt(p []byte, off int64) (int, error) {
	if err := f.before(OpRead, off, len(p)); err != nil {
		return 0, err
	}
	n, err := f.Storage.ReadAt(p, off)
	if f.Read != nil {
		f.Read(off, p[:n])
	}
	return n, err
}

// WriteAt implements storage.Storage.
func (f *Faulty) WriteAt(p []byte, off int64) (int, error) {
	if err := f.before(OpWrite, off, len(p)); err != nil {
		n, werr := f.Storage.WriteAt(p[:len(p)/2], off)
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	return f.Storage.WriteAt(p, off)
}

// Sync implements storage.Storage.
func (f *Faulty) Sync() error {
	if err := f.before(OpSync, 0, 0); err != nil {
		return err
	}
	return f.Storage.Sync()
}

func (f *Faulty) before(op Op, off int64, n int) error {
	if f.Before == nil {
		return nil
	}
	return f.Before(op, off, int64(n))
}
