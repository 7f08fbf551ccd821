package harness

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// WriteFile makes a file of size pseudo-random bytes, the same for the same seed, and its directories.
func WriteFile(t *testing.T, name string, size int64, seed uint64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	if _, err := io.CopyN(f, rand.NewChaCha8(key), size); err != nil {
		t.Fatalf("writing %s: %v", name, err)
	}
}

// Tree makes a directory as people have them: nested directories, empty files, names beyond ASCII, sizes around the
// block and the piece. It returns the directory.
func Tree(t *testing.T, dir string) string {
	t.Helper()
	for i, f := range []struct {
		name string
		size int64
	}{
		{"README", 12}, {"empty", 0}, {"a/b/c/d/deep.bin", 300_001}, {"a/b/also empty", 0}, {"a/one block", 16 << 10},
		{"a/one piece", 256 << 10}, {"a/one more", 256<<10 + 1}, {"Grüße/naïve café.txt", 70_000}, {"日本語/ファイル.dat", 131_073},
		{"emoji 🌀/eddy.bin", 1_500_000}, {"z", 1},
	} {
		WriteFile(t, filepath.Join(dir, f.name), f.size, uint64(i))
	}
	return dir
}

// Same compares two files or two trees: names, kinds and every byte. Empty directories don't count, since a torrent has
// none.
func Same(want, got string) error {
	return same(want, got, func(fs.FileInfo) bool { return true })
}

// SameButEmpty is Same without regard to empty files, which some clients don't create.
func SameButEmpty(want, got string) error {
	return same(want, got, func(f fs.FileInfo) bool { return f.Size() > 0 })
}

func same(want, got string, counts func(fs.FileInfo) bool) error {
	w, err := list(want, counts)
	if err != nil {
		return err
	}
	g, err := list(got, counts)
	if err != nil {
		return err
	}
	if !slices.Equal(w, g) {
		return fmt.Errorf("%s holds %q, want %q", got, g, w)
	}
	for _, name := range w {
		if err := sameFile(filepath.Join(want, name), filepath.Join(got, name)); err != nil {
			return err
		}
	}
	return nil
}

func list(root string, counts func(fs.FileInfo) bool) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || !counts(info) {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if !d.Type().IsRegular() {
			rel += " (" + d.Type().String() + ")"
		}
		out = append(out, rel)
		return err
	})
	return out, err
}

func sameFile(want, got string) error {
	a, err := os.Open(want)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(got)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); ; off += int64(len(x)) {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if n != m {
			return fmt.Errorf("%s and %s differ in size, after %d bytes", want, got, off+int64(min(n, m)))
		}
		if !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("%s and %s differ between %d and %d", want, got, off, off+int64(n))
		}
		if errA != nil {
			if errA == io.EOF || errA == io.ErrUnexpectedEOF {
				return nil
			}
			return errA
		}
		if errB != nil {
			return errB
		}
	}
}

// Tmpfs mounts a small disk of size bytes in the namespace of the tests and returns its directory.
func Tmpfs(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", size), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mounting a small disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting the small disk: %v: %s", err, out)
		}
	})
	return dir
}

// Fill writes a file until the disk it lies on is full.
func Fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2] // down to the last byte
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
