package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// What became of a transaction that failed; with errors.Is.
var (
	// ErrNoRoom: the disk, or a quota, has no room for it. Nothing of it counts, and the database goes on as it was before.
	ErrNoRoom = errors.New("no room on the disk")
	// ErrUncertain: nobody knows what of it is on disk. A sync that failed may have thrown away what it should have written, and the next one would
	// say that all is well: so nothing may be written or believed any more before the file was opened anew.
	ErrUncertain = errors.New("it is uncertain what is on the disk")
)

// Update does f in a transaction, which is on disk when it returns nil. An error of f itself comes back as it is, and nothing was changed.
func Update(db *bolt.DB, f func(*bolt.Tx) error) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	return commitError(tx.Commit())
}

// commitError tells the two apart. bbolt writes the changed pages beside those in use, syncs them, and then writes and syncs a header that
// names them: a write that finds no room was before the header that would have counted, or was that header's, of one page, which is there whole or not
// at all. The sync of the same file fails without the name of the operation. Windows has numbers of its own.
func commitError(err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) && path.Op == "write" && noRoom(path.Err) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	// Growing the file comes before any write. bbolt keeps no more than the text of that error.
	if text, ok := strings.CutPrefix(err.Error(), "file resize error: "); ok &&
		(strings.HasSuffix(text, syscall.ENOSPC.Error()) || strings.HasSuffix(text, syscall.EDQUOT.Error())) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return fmt.Errorf("%w: %w", ErrUncertain, err)
}

func noRoom(err error) bool {
	if runtime.GOOS == "windows" {
		const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112)
		return errors.Is(err, handleDiskFull) || errors.Is(err, diskFull)
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
