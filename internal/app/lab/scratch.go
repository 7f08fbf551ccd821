package lab

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

const (
	// scratchPrefix is what the directories of labs are called.
	scratchPrefix = "eddy-lab-"

	// scratchLock is the file in it that a living lab holds locked.
	scratchLock = "lock"

	// memoryDisk is where files do not wait for a disk.
	memoryDisk = "/dev/shm"

	// spareRoom is what is left free.
	spareRoom = 64 << 20
)

// ErrNoRoom says that the files of a lab fit nowhere.
var ErrNoRoom = errors.New("not enough room for the files of all receivers")

// scratch is the directory of a lab. It is locked while the lab lives, so that another can tell what was left by one that was
// killed.
type scratch struct {
	dir  string
	lock *os.File
}

// newScratch makes a directory with room for so many copies of size bytes, in memory if they fit there, and removes what killed
// labs left.
func newScratch(copies, size int64) (*scratch, error) {
	if size > (math.MaxInt64-spareRoom)/copies {
		return nil, fmt.Errorf("%w: %d times %s", ErrNoRoom, copies, units.FormatSize(size))
	}
	need := copies * size
	places := []string{memoryDisk, os.TempDir()}
	for _, place := range places {
		sweep(place, time.Now())
	}
	for _, place := range places {
		if room, ok := roomIn(place); !ok || room < need+spareRoom {
			continue
		}
		return makeScratch(place)
	}
	return nil, fmt.Errorf("%w: %s", ErrNoRoom, units.FormatSize(need))
}

func makeScratch(place string) (*scratch, error) {
	dir, err := os.MkdirTemp(place, fmt.Sprintf("%s%d-", scratchPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	s := &scratch{dir: dir}
	if s.lock, err = os.Create(filepath.Join(dir, scratchLock)); err == nil {
		_, err = lockFile(s.lock)
	}
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// remove removes the directory and all in it.
func (s *scratch) remove() error {
	err := os.RemoveAll(s.dir)
	if s.lock != nil {
		s.lock.Close()
	}
	return err
}

// sweep removes the directories of labs that are no more.
func sweep(place string, now time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(place, scratchPrefix+"*"))
	for _, dir := range dirs {
		if abandoned(dir, now) {
			_ = os.RemoveAll(dir) // somebody else's, perhaps
		}
	}
}

// abandoned reports whether the lab that made dir is gone.
func abandoned(dir string, now time.Time) bool {
	lock, err := os.Open(filepath.Join(dir, scratchLock))
	if err != nil {
		// It may be about to make the file.
		info, err := os.Lstat(dir)
		return err == nil && info.IsDir() && now.Sub(info.ModTime()) > time.Minute
	}
	defer lock.Close()
	free, err := lockFile(lock)
	return err == nil && free
}
