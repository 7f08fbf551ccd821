//go:build linux

package lab

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A living lab's directory stays, a killed one's goes with the next lab, and nobody else's is touched.
func TestSweep(t *testing.T) {
	place := t.TempDir()
	living, err := makeScratch(place)
	if err != nil {
		t.Fatal(err)
	}
	killed, err := makeScratch(place)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed.dir, "content"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed.lock.Close() // as the kernel does when a process ends
	starting := filepath.Join(place, scratchPrefix+"1-starting")
	other := filepath.Join(place, "eddy-laboratory")
	for _, dir := range []string{starting, other} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}

	sweep(place, time.Now())
	for dir, want := range map[string]bool{living.dir: true, killed.dir: false, starting: true, other: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: there: %v, want %v", filepath.Base(dir), err == nil, want)
		}
	}
	// One that was killed before it could lock.
	sweep(place, time.Now().Add(2*time.Minute))
	if _, err := os.Stat(starting); err == nil {
		t.Error("a directory without a lock stays for ever")
	}
	if err := living.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(living.dir); err == nil {
		t.Error("the directory outlives its lab")
	}
}

// Files that do not fit anywhere are refused before anything is written.
func TestNoRoom(t *testing.T) {
	for _, need := range []struct{ copies, size int64 }{
		{1, 1 << 60}, {2, 1 << 59}, {2, 9e18}, {4, 1 << 62}, {1001, math.MaxInt64}, {1, math.MaxInt64}, // the products of some overflow to 0 or less
	} {
		if s, err := newScratch(need.copies, need.size); !errors.Is(err, ErrNoRoom) {
			t.Errorf("room for %d times %d bytes: %v", need.copies, need.size, err)
			if s != nil {
				s.remove()
			}
		}
	}
}
