package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrInUse says that another process has the state open.
var ErrInUse = errors.New("in use by another eddy; stop it, or give this one a state directory of its own (--state)")

// lockTimeout is how long a second process waits for the first: a restart overlaps a little, a mistake should tell soon.
const lockTimeout = time.Second

// errDamaged marks what makes openDB set a file aside.
var errDamaged = errors.New("damaged")

func openDB(path string, log *slog.Logger) (*bolt.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := createDB(path); err != nil {
				return nil, err
			}
		}
		db, err := openExisting(path)
		if err == nil || !errors.Is(err, errDamaged) || try > 0 {
			return db, err
		}
		bad, rerr := setAside(path)
		if rerr != nil {
			return nil, errors.Join(err, rerr)
		}
		log.Warn("the state file is damaged: it was set aside and a new one begun; data on disk will be checked again",
			"file", path, "kept as", bad, "err", err)
	}
}

// createDB makes an empty database under another name first: a crash leaves a whole file at path, or none.
func createDB(path string) error {
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
	return syncFolder(filepath.Dir(path))
}

// openExisting opens and checks a database. Whatever a damaged file makes bbolt do, panics and faults in its mapped
// memory included, comes out as errDamaged.
func openExisting(path string) (db *bolt.DB, err error) {
	if err := precheck(path); err != nil {
		return nil, err
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			// db stays unclosed if it has been opened: Close would wait for the transaction that panicked.
			db, err = nil, fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrInvalidMapping):
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	case err != nil:
		return nil, err
	}
	if err := db.View(walk); err != nil {
		db.Close()
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
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
		return fmt.Errorf("%w: empty", errDamaged)
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
		return fmt.Errorf("%w: no valid header", errDamaged)
	}
	if need := m.pages * uint64(m.pageSize); m.pages > 1<<40 || uint64(fi.Size()) < need {
		return fmt.Errorf("%w: %d bytes long, should be %d", errDamaged, fi.Size(), need)
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

// setAside renames a damaged file to PATH.bad, or PATH.bad.2 and so on: nothing is destroyed that somebody might mend.
func setAside(path string) (string, error) {
	bad := path + ".bad"
	for n := 2; ; n++ {
		if _, err := os.Lstat(bad); errors.Is(err, fs.ErrNotExist) {
			break
		}
		bad = fmt.Sprintf("%s.bad.%d", path, n)
	}
	if err := os.Rename(path, bad); err != nil {
		return "", err
	}
	return bad, syncFolder(filepath.Dir(path))
}
