package ring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// localFile, in a node's data directory, is how programs of the same user find the node and are let in. It exists while the node runs
// (and after a crash, until the next start).
const localFile = "api.json"

// Local is how a node on this machine is reached by those who may read its data directory.
type Local struct {
	ID     string `json:"id"`
	Listen string `json:"listen"` // ring address
	API    string `json:"api"`    // HTTP address
	Secret string `json:"secret"` // bearer token of the API, of this run; it allows everything
	PID    int    `json:"pid"`
}

// ErrNoLocal is that no node has run with a data directory.
var ErrNoLocal = errors.New("no ring node runs here")

// ErrLocalDamaged is that what a node wrote there to be found by cannot be read.
var ErrLocalDamaged = errors.New(localFile + " is damaged")

// FindLocal reads how the node that runs with the data directory dir is reached.
func FindLocal(dir string) (*Local, error) {
	text, err := os.ReadFile(filepath.Join(dir, localFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoLocal
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", localFile, err)
	}
	local := new(Local)
	if err := json.Unmarshal(text, local); err != nil || local.API == "" || local.Secret == "" {
		return nil, ErrLocalDamaged
	}
	return local, nil
}

// Dial connects to the node's API.
func (l *Local) Dial() (*Client, error) { return dialAPI(l.API, l.Secret) }

// write puts the file in place, whole and for its owner alone.
func (l *Local) write(dir string) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("writing %s: %w", localFile, err)
	}
	f, err := os.CreateTemp(dir, localFile+".*") // 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", localFile, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, localFile))
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", localFile, err)
	}
	return nil
}

// remove takes the file away when the node ends, unless another node has replaced it.
func (l *Local) remove(dir string) {
	if now, err := FindLocal(dir); err == nil && now.Secret == l.Secret {
		os.Remove(filepath.Join(dir, localFile))
	}
}
