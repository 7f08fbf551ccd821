// Package boltfile makes and opens the databases in which state survives. It looks at a file before bbolt maps it: a damaged one is an error
// here, where bbolt would panic, or fault in its mapped memory, and take the process along.
package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The errors that callers tell apart, with errors.Is.
var (
	ErrInUse   = errors.New("in use by another eddy")
	ErrDamaged = errors.New("damaged")
)

// lockTimeout is how long a second process waits for the first: a restart overlaps a little, a mistake should tell soon.
const lockTimeout = time.Second

// Create makes an empty database under another name first: a crash leaves a whole file at path, or none.
func Create(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	tmp := f.Name()
	f.Close()
	defer os.Remove(tmp)
	db, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: lockTimeout})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	// A link fails if another process was faster, where a rename would take its file away.
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
	}
	return SyncFolder(filepath.Dir(path))
}

// Open opens and checks a database. Whatever a damaged file makes bbolt do, panics and faults in its mapped
// memory included, comes out as ErrDamaged; a file that another process has open, as ErrInUse. Options but the timeout are bbolt's.
func Open(path string, options bolt.Options) (db *bolt.DB, err error) {
	if err := precheck(path); err != nil {
		return nil, err
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			// db stays unclosed if it has been opened: Close would wait for the transaction that panicked.
			db, err = nil, fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	options.Timeout = lockTimeout
	db, err = bolt.Open(path, 0o600, &options)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrInvalidMapping):
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return nil, err
	}
	if err := db.View(walk); err != nil {
		db.Close()
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, nil
}

// walk touches every page in use from this goroutine, where a fault can be caught, and then has bbolt check how the pages
// hang together, which it does in a goroutine of its own.
func walk(tx *bolt.Tx) error {
	var sum byte
	var bucket func(b *bolt.Bucket) error
	bucket = func(b *bolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				if sub := b.Bucket(k); sub != nil {
					return bucket(sub)
				}
				return fmt.Errorf("no bucket %q", k)
			}
			for _, s := range [][]byte{k, v} {
				if len(s) > 0 {
					sum ^= s[0] ^ s[len(s)-1]
				}
			}
			return nil
		})
	}
	err := tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return bucket(b) })
	if err != nil {
		return err
	}
	for cerr := range tx.Check() {
		if err == nil { // the channel must be drained
			err = cerr
		}
	}
	return err
}

// The parts of bbolt's file format that precheck needs: a page is a header of 16 bytes and its content; the first two
// pages hold the metas, in the byte order of the machine.
const (
	boltMagic      = 0xED0CDAED
	boltPageHeader = 16
	boltMetaSize   = 64 // magic, version, page size, flags: 4 each; root 16; free list, high-water mark, txid, checksum: 8 each
)

// precheck refuses files that bbolt would map and then fault on, where a fault is fatal: those that are shorter than
// their pages. It holds bbolt's lock meanwhile, so as not to judge a file that another process is writing.
func precheck(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	locked, err := lockFile(f, lockTimeout)
	if err != nil || !locked {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.Size() == 0 {
		return fmt.Errorf("%w: empty", ErrDamaged)
	}
	first, ok := readMeta(f, 0)
	pageSize := int64(first.pageSize)
	if !ok {
		pageSize = int64(os.Getpagesize())
	}
	second, ok2 := readMeta(f, pageSize)
	m := first
	if !ok || ok2 && second.txid > first.txid {
		m = second
	}
	if !ok && !ok2 {
		return fmt.Errorf("%w: no valid header", ErrDamaged)
	}
	if need := m.pages * uint64(m.pageSize); m.pages > 1<<40 || uint64(fi.Size()) < need {
		return fmt.Errorf("%w: %d bytes long, should be %d", ErrDamaged, fi.Size(), need)
	}
	return nil
}

type boltMeta struct {
	pageSize    uint32
	pages, txid uint64
}

func readMeta(f *os.File, off int64) (m boltMeta, ok bool) {
	var b [boltMetaSize]byte
	if _, err := f.ReadAt(b[:], off+boltPageHeader); err != nil {
		return m, false
	}
	order := binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(b[:boltMetaSize-8])
	m = boltMeta{pageSize: order.Uint32(b[8:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:])}
	ok = order.Uint32(b[0:]) == boltMagic && order.Uint64(b[56:]) == sum.Sum64() &&
		m.pageSize >= 512 && m.pageSize <= 1<<20 && m.pageSize&(m.pageSize-1) == 0
	return m, ok
}
