package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// smallDisk mounts a disk of that many bytes; that needs privileges.
func smallDisk(t *testing.T, bytes int) string {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("cannot mount a small disk here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v; a file left open?", err)
		}
	})
	return dir
}

// "ENOSPC at each write" (trust.md, Faults to run): the transaction that finds no room changes nothing, all that was acknowledged stays, the
// database goes on when there is room, and the file is whole.
func TestUpdateOnFullDisk(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	ballast, name := filepath.Join(dir, "ballast"), filepath.Join(dir, "a.db")
	if err := os.WriteFile(ballast, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Create(name); err != nil {
		t.Fatal(err)
	}
	options := bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType}
	db, err := Open(name, options)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := map[uint64]bool{}
	put := func(i uint64) error {
		err := Update(db, func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			key := binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15) // all over the tree
			return b.Put(key, make([]byte, 1+i*i%30_000))
		})
		if err == nil {
			acknowledged[i] = true
		} else if !errors.Is(err, ErrNoRoom) || errors.Is(err, ErrUncertain) {
			t.Fatalf("update %d: %v, want no room", i, err)
		}
		return err
	}
	whole := func() {
		t.Helper()
		err := db.View(func(tx *bolt.Tx) error {
			for i := range acknowledged {
				if v := tx.Bucket([]byte("b")).Get(binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15)); len(v) != int(1+i*i%30_000) {
					return fmt.Errorf("of update %d %d bytes are left", i, len(v))
				}
			}
			if n := tx.Bucket([]byte("b")).Stats().KeyN; n != len(acknowledged) {
				return fmt.Errorf("%d keys are there, of %d acknowledged", n, len(acknowledged))
			}
			return walk(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	i, refused := uint64(0), 0
	for ; refused < 60; i++ {
		if put(i) != nil {
			refused++
		}
	}
	whole()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for end := i + 20; i < end; i++ {
		if err := put(i); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
	whole()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(name, options); err != nil {
		t.Fatalf("opened again: %v", err)
	}
	defer db.Close()
	whole()
}

// A write that finds no room has changed nothing; after a sync that failed nobody knows, whatever its reason.
func TestCommitError(t *testing.T) {
	for _, x := range []struct {
		err  error
		want error
	}{
		{&fs.PathError{Op: "write", Path: "a.db", Err: syscall.ENOSPC}, ErrNoRoom},
		{&fs.PathError{Op: "write", Path: "a.db", Err: syscall.EDQUOT}, ErrNoRoom},
		{fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "a.db", Err: syscall.ENOSPC}), ErrNoRoom},
		{&fs.PathError{Op: "write", Path: "a.db", Err: syscall.EIO}, ErrUncertain},
		{syscall.ENOSPC, ErrUncertain}, // of fdatasync
		{syscall.EIO, ErrUncertain},
		{fmt.Errorf("file sync error: %s", syscall.ENOSPC), ErrUncertain},
		{errors.New("mmap allocate error: cannot allocate memory"), ErrUncertain},
	} {
		err := commitError(x.err)
		if !errors.Is(err, x.want) || errors.Is(err, ErrNoRoom) && errors.Is(err, ErrUncertain) {
			t.Errorf("%v is taken for %v, want %v", x.err, err, x.want)
		}
	}
	if err := commitError(nil); err != nil {
		t.Error(err)
	}
}
