package plot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A link to a figure, or to where one is to be, is followed and stays.
func TestSaveFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "away"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "away", "old.svg"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"old.svg": "away/old.svg", "dangling.svg": "away/new.svg", "twice.svg": "old.svg"} {
		path := filepath.Join(dir, link)
		if err := os.Symlink(to, path); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		if err := errors.Join(Check(path), Save(path, course())); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != to {
			t.Errorf("%s: %q, %v", link, got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v, %v", link, info, err)
		}
	}
	for _, name := range []string{"old.svg", "new.svg"} {
		if text, err := os.ReadFile(filepath.Join(dir, "away", name)); err != nil || !strings.Contains(string(text), "<svg") {
			t.Errorf("%s is no figure: %v", name, err)
		}
	}
	loop := filepath.Join(dir, "loop.svg")
	if err := os.Symlink("loop.svg", loop); err != nil {
		t.Fatal(err)
	}
	if err := Check(loop); err == nil {
		t.Error("a link to itself was followed")
	}
}

// What cannot be written is told by Check as by Save, with the path that was asked for and no other.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d.svg"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"f.svg": nil, "d.svg": syscall.EISDIR, "missing/f.svg": fs.ErrNotExist} {
		path := filepath.Join(dir, name)
		check := Check(path)
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Fatalf("Check left %v", left)
		}
		save := Save(path, course())
		for _, err := range []error{check, save} {
			var p *fs.PathError
			if !errors.Is(err, want) || want != nil && (!errors.As(err, &p) || p.Path != path || strings.Contains(err.Error(), ".plot-")) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		os.Remove(filepath.Join(dir, "f.svg"))
	}
}

// A device is written to: the rest of the system would miss it if a figure took its place.
func TestSaveIntoDevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "full.svg")
	if _, err := os.Stat("/dev/full"); err != nil || os.Symlink("/dev/full", link) != nil {
		t.Skip("no /dev/full here")
	}
	if err := Check(link); err != nil {
		t.Error(err)
	}
	if err := Save(link, course()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("into /dev/full: %v", err)
	}
	if info, err := os.Stat("/dev/full"); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Errorf("/dev/full is %v, %v", info, err)
	}
}
