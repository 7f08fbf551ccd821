package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk mounts a disk of n bytes; that needs privileges.
func smallDisk(t *testing.T, opts string) string {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, opts); err != nil {
		t.Skip("cannot mount a small disk here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v; a file left open?", err)
		}
	})
	return dir
}

// A full disk is recognised, loses nothing written before, and goes on once there is room.
func TestFullDiskThenFreed(t *testing.T) {
	for _, p := range []Prealloc{PreallocNone, PreallocSparse, PreallocFull} {
		t.Run(p.String(), func(t *testing.T) {
			dir := smallDisk(t, "size=1m")
			ballast := filepath.Join(dir, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 700<<10), 0o644); err != nil {
				t.Fatal(err)
			}
			const size = 512 << 10
			s := open(t, FilesConfig{Root: filepath.Join(dir, "r"), Prealloc: p, Files: []FileSpec{{Path: "f", Length: size}}})
			block := bytes.Repeat([]byte("x"), 16<<10)
			var err error
			var off int64
			for ; off < size && err == nil; off += 16 << 10 {
				if err = s.WriteVecAt([][]byte{block[:5000], block[5000:]}, off); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrNoSpace) {
				t.Fatalf("filled the disk: %v at %d, want ErrNoSpace", err, off)
			}
			free, ferr := FreeSpace(dir)
			need, rerr := s.Required()
			if ferr != nil || rerr != nil || int64(free) >= need {
				t.Errorf("%d bytes free for %d needed (%v, %v): should not fit", free, need, ferr, rerr)
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			for ; off < size; off += 16 << 10 {
				if err := s.WriteVecAt([][]byte{block[:5000], block[5000:]}, off); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.FinishFile(0); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "r/f")); err != nil || !bytes.Equal(got, bytes.Repeat([]byte("x"), size)) {
				t.Errorf("content after the disk was full: %d bytes, %v", len(got), err)
			}
			s.Close()
		})
	}
}
