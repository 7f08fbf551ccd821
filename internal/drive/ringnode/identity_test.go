package ringnode

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// "A host whose records were lost [...] needs a new key" (core/replica, duty 2), and records whose key was lost are nobody's: what is left of a data
// directory is neither used nor changed.
func TestPartsOfADataDirectory(t *testing.T) {
	first := start(t, Config{Vnodes: 2, Replicas: 1})
	if _, err := first.Put(t.Context(), "k", []byte("v"), ringapi.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	first.stop(t)
	for _, row := range []struct{ lost, kept, want string }{
		{storeFile, identityFile, "records are lost"},
		{identityFile, storeFile, "lost its key"},
	} {
		dir := first.cfg.Data
		away := filepath.Join(t.TempDir(), "away")
		if err := os.Rename(filepath.Join(dir, row.lost), away); err != nil {
			t.Fatal(err)
		}
		n, err := New(Config{Data: dir, Listen: "127.0.0.1:0"})
		if err == nil {
			n.Close()
		}
		var known *ringapi.Error
		if !errors.As(err, &known) || !strings.Contains(known.Message, row.want) || !strings.Contains(known.Hint, "join as a new node") {
			t.Errorf("without %s: %v", row.lost, err)
		}
		if _, err := os.Stat(filepath.Join(dir, row.lost)); err == nil {
			t.Errorf("without %s: it was made anew", row.lost)
		}
		if err := os.Rename(away, filepath.Join(dir, row.lost)); err != nil {
			t.Fatal(err)
		}
	}
	cfg := first.cfg
	back := start(t, cfg) // nothing was spoilt
	if got, err := back.Get(t.Context(), "k", ringapi.GetOptions{}); err != nil || string(got.Value) != "v" {
		t.Errorf("with both again: %+v, %v", got, err)
	}
	back.stop(t)
}

// A first start that was cut short, at any moment before the node belonged to a ring, is simply repeated.
func TestFirstStartAgain(t *testing.T) {
	for _, keep := range []string{storeFile, identityFile, ""} {
		dir := t.TempDir()
		n, err := New(Config{Data: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		n.Close()
		for _, name := range []string{storeFile, identityFile} {
			if name != keep {
				os.Remove(filepath.Join(dir, name))
			}
		}
		start(t, Config{Data: dir, Vnodes: 1, Replicas: 1}).stop(t)
	}
}
