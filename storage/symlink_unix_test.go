//go:build unix

package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// canary makes a folder outside the root with files that a redirected write would hit.
func canary(t *testing.T, top string) (dir string, check func()) {
	dir = filepath.Join(top, "outside")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"f", "f.part", "sub/f", "sub/f.part"}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("canary"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func() {
		t.Helper()
		count := 0
		filepath.WalkDir(dir, func(_ string, d os.DirEntry, _ error) error {
			if !d.IsDir() {
				count++
			}
			return nil
		})
		if count != len(names) {
			t.Errorf("%d files outside the root, want %d", count, len(names))
		}
		for _, n := range names {
			wantFile(t, filepath.Join(dir, n), "canary")
		}
	}
}

func TestPlantedLinksAreRefused(t *testing.T) {
	for name, plant := range map[string]func(root, outside string) error{
		"file":     func(r, o string) error { return os.Symlink(o+"/f", r+"/f") },
		"partial":  func(r, o string) error { return os.Symlink(o+"/f.part", r+"/f.part") },
		"folder":   func(r, o string) error { return os.Symlink(o+"/sub", r+"/d") },
		"dangling": func(r, o string) error { return os.Symlink(o+"/new", r+"/f.part") },
		"inside": func(r, o string) error {
			return errors.Join(os.WriteFile(r+"/x", nil, 0o644), os.Symlink("x", r+"/f.part"))
		},
		"fifo":        func(r, o string) error { return syscall.Mkfifo(r+"/f.part", 0o644) },
		"not regular": func(r, o string) error { return os.Mkdir(r+"/f", 0o755) },
		"hard link":   func(r, o string) error { return os.Link(o+"/f.part", r+"/f.part") },
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			root := filepath.Join(top, "root")
			if err := os.Mkdir(root, 0o755); err != nil {
				t.Fatal(err)
			}
			outside, check := canary(t, top)
			if err := plant(root, outside); err != nil {
				t.Skip(err)
			}
			s := open(t, FilesConfig{Root: root, Files: []FileSpec{{Path: "f", Length: 6}, {Path: "d/f", Offset: 6, Length: 6}}})
			_, werr := s.WriteAt([]byte("poison"), 0)
			_, werr2 := s.WriteAt([]byte("poison"), 6)
			if werr == nil && werr2 == nil {
				t.Error("wrote both files as if nothing were planted")
			}
			for i := range 2 {
				s.FinishFile(i)
				s.Unfinish(i)
			}
			check()
		})
	}
}

// A swapper replaces folders and files with links to the outside as fast as it can, while we write, finish and reopen.
func TestSwapperCannotRedirect(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	if err := os.MkdirAll(filepath.Join(root, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	outside, check := canary(t, top)
	var stop atomic.Bool
	var swaps atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			os.Rename(root+"/sub", root+"/away")
			os.Symlink(outside+"/sub", root+"/sub")
			os.Remove(root + "/sub")
			os.Rename(root+"/away", root+"/sub")
			for _, n := range []string{"/f.part", "/sub/f.part", "/f", "/sub/f"} {
				os.Remove(root + n)
				os.Symlink(outside+n, root+n)
				os.Remove(root + n)
			}
			swaps.Add(1)
		}
	}()
	wrote := 0
	for range 400 {
		s := open(t, FilesConfig{Root: root, MaxOpen: 1, Files: []FileSpec{{Path: "f", Length: 6}, {Path: "sub/f", Offset: 6, Length: 6}}})
		if _, err := s.WriteAt([]byte("poison"), 0); err == nil {
			wrote++
		}
		if _, err := s.WriteAt([]byte("poison"), 6); err == nil {
			wrote++
		}
		for i := range 2 {
			s.FinishFile(i)
			s.Unfinish(i)
		}
		s.Close()
	}
	stop.Store(true)
	<-done
	check()
	t.Logf("%d writes among %d swaps", wrote, swaps.Load())
	if wrote == 0 || swaps.Load() == 0 {
		t.Error("writer and swapper never met")
	}
}

// If the root's folder is another one than before, a mount vanished: nothing may fill up what lies below it.
func TestVanishedRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mnt")
	s := open(t, FilesConfig{Root: root, MaxOpen: 1, Files: []FileSpec{{Path: "f", Length: 4}, {Path: "g", Offset: 4, Length: 4}}})
	write(t, s, "here", 0)
	if err := errors.Join(os.Rename(root, root+".gone"), os.Mkdir(root, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteAt([]byte("lost"), 4); !errors.Is(err, ErrChanged) {
		t.Errorf("write below another root: %v, want ErrChanged", err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("the new root got %v", entries)
	}
}

func TestErrNoSpace(t *testing.T) {
	for err, want := range map[error]bool{syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EIO: false, syscall.EFBIG: false} {
		wrapped := fail("write", "some/file.part", &os.PathError{Op: "write", Path: "x", Err: err})
		if errors.Is(wrapped, ErrNoSpace) != want || !strings.Contains(wrapped.Error(), "some/file.part") {
			t.Errorf("%v: ErrNoSpace %v, want %v", wrapped, !want, want)
		}
	}
}
