package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/internal/drive/boltfile"
)

// ErrInUse says that another process has the state open.
var ErrInUse = errors.New("in use by another eddy; stop it, or give this one a state directory of its own (--state)")

func openDB(path string, log *slog.Logger) (*bolt.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := boltfile.Create(path); err != nil {
				return nil, err
			}
		}
		db, err := boltfile.Open(path, bolt.Options{})
		if errors.Is(err, boltfile.ErrInUse) {
			return nil, ErrInUse
		}
		if err == nil || !errors.Is(err, boltfile.ErrDamaged) || try > 0 {
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
	return bad, boltfile.SyncFolder(filepath.Dir(path))
}
