package storage

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t testing.TB, cfg FilesConfig) *Files {
	t.Helper()
	s, err := OpenFiles(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func write(t testing.TB, s Storage, p string, off int64) {
	t.Helper()
	if _, err := s.WriteAt([]byte(p), off); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t testing.TB, name, content string) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || string(got) != content {
		t.Errorf("%s has %q, %v; want %q", filepath.Base(name), got, err, content)
	}
}

func wantNone(t testing.TB, name string) {
	t.Helper()
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there (%v)", filepath.Base(name), err)
	}
}

// mixed is a content of two files, a pad between them and an empty file: "0123456789" 6 zeros "abcde".
func mixed(root string) FilesConfig {
	return FilesConfig{Root: root, Files: []FileSpec{
		{Path: "a/b/one", Offset: 0, Length: 10},
		{Offset: 10, Length: 6, Pad: true},
		{Path: "empty", Offset: 16, Length: 0},
		{Path: "two", Offset: 16, Length: 5},
	}}
}

func TestFilesLifeOfAFile(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made", "on", "demand")
	s := open(t, mixed(root))
	wantNone(t, root)
	want := []byte("0123456789\x00\x00\x00\x00\x00\x00abcde")
	junk := bytes.Replace(want, make([]byte, 6), []byte("junk!!"), 1)
	if err := s.WriteVecAt([][]byte{junk[:7], junk[7:18], junk[18:]}, 0); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(root, "a/b/one.part"), "0123456789")
	wantNone(t, filepath.Join(root, "a/b/one"))
	wantNone(t, filepath.Join(root, "empty"))
	for range 2 { // finishing twice is no error
		for i := range 4 {
			if err := s.FinishFile(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(root, "a/b/one"), "0123456789")
	wantFile(t, filepath.Join(root, "empty"), "")
	wantFile(t, filepath.Join(root, "two"), "abcde")
	wantNone(t, filepath.Join(root, "two.part"))
	got := make([]byte, len(want))
	if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v; the pad must read as zeros", got, err)
	}
	if _, err := s.WriteAt([]byte("x"), 0); !errors.Is(err, ErrComplete) {
		t.Errorf("writing a finished file: %v, want ErrComplete", err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 3 {
		t.Errorf("root has %v, want a, empty, two", entries)
	}
}

func TestFilesRepairInPlace(t *testing.T) {
	root := t.TempDir()
	cfg := FilesConfig{Root: root, Files: []FileSpec{{Path: "f", Length: 4}}}
	if err := os.WriteFile(filepath.Join(root, "f"), []byte("beef and more"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	got := make([]byte, 4)
	if _, err := s.ReadAt(got, 0); err != nil || string(got) != "beef" {
		t.Fatalf("existing file not a candidate: %q, %v", got, err)
	}
	if _, err := s.WriteAt([]byte("dead"), 0); !errors.Is(err, ErrComplete) {
		t.Fatalf("wrote an existing file: %v", err)
	}
	wantFile(t, filepath.Join(root, "f"), "beef and more")
	if err := s.FinishFile(0); !errors.Is(err, ErrChanged) {
		t.Errorf("finished a file of the wrong length: %v", err)
	}
	if err := s.Unfinish(0); err != nil {
		t.Fatal(err)
	}
	wantNone(t, filepath.Join(root, "f"))
	wantFile(t, filepath.Join(root, "f.part"), "beef and more")
	write(t, s, "de", 0)
	if err := s.FinishFile(0); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(root, "f"), "deef") // what was right stays, what was too much goes
}

// A name that appears beside our partial file is somebody else's and survives.
func TestFinishReplacesNothing(t *testing.T) {
	root := t.TempDir()
	s := open(t, FilesConfig{Root: root, Files: []FileSpec{{Path: "f", Length: 4}}})
	write(t, s, "ours", 0)
	if err := os.WriteFile(filepath.Join(root, "f"), []byte("user"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishFile(0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("finish over somebody's file: %v, want fs.ErrExist", err)
	}
	wantFile(t, filepath.Join(root, "f"), "user")
	wantFile(t, filepath.Join(root, "f.part"), "ours")
}

func TestFinishRefusesWhatIsNotOurs(t *testing.T) {
	for name, spoil := range map[string]func(part string) error{
		"vanished": os.Remove,
		"short":    func(part string) error { return os.Truncate(part, 3) },
		"replaced": func(part string) error {
			return errors.Join(os.WriteFile(part+"2", []byte("else"), 0o644), os.Rename(part+"2", part))
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, FilesConfig{Root: root, Files: []FileSpec{{Path: "f", Length: 4}}})
			write(t, s, "ours", 0)
			if err := spoil(filepath.Join(root, "f.part")); err != nil {
				t.Fatal(err)
			}
			err := s.FinishFile(0)
			if err == nil || !strings.Contains(err.Error(), " f") {
				t.Errorf("finished: %v; want an error with the file's name", err)
			}
			wantNone(t, filepath.Join(root, "f"))
		})
	}
}

func TestFilesReopenPartial(t *testing.T) {
	root := t.TempDir()
	cfg := mixed(root)
	s := open(t, cfg)
	write(t, s, "01234", 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	got := make([]byte, 5)
	if _, err := s.ReadAt(got, 0); err != nil || string(got) != "01234" {
		t.Errorf("partial file lost: %q, %v", got, err)
	}
	_, err := s.ReadAt(got, 3)
	if !IsMissing(err) || !strings.Contains(err.Error(), "a/b/one") {
		t.Errorf("reading past what was written: %v; want IsMissing and the file's name", err)
	}
	if _, err := s.ReadAt(got, 16); !IsMissing(err) || !strings.Contains(err.Error(), "two") {
		t.Errorf("reading an absent file: %v; want IsMissing and the file's name", err)
	}
	for i, want := range []FileState{FilePartial, FileFinal, FileAbsent, FileAbsent} {
		if st, err := s.Stat(i); err != nil || st.State != want {
			t.Errorf("file %d: state %d, %v; want %d", i, st.State, err, want)
		}
	}
}

func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	cfg := FilesConfig{Root: root, ReadOnly: true, Files: []FileSpec{{Path: "f", Length: 4}}}
	s := open(t, cfg)
	_, werr := s.WriteAt([]byte("x"), 0)
	for what, err := range map[string]error{"write": werr, "finish": s.FinishFile(0), "unfinish": s.Unfinish(0)} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", what, err)
		}
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("a read-only storage made %v", entries)
	}
}

func TestFollowSymlinksStaysInside(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	for name, content := range map[string]string{"root/real": "good", "secret": "gold"} {
		name = filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("real", root+"/in"), os.Symlink("../secret", root+"/out")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	s := open(t, FilesConfig{Root: root, ReadOnly: true, FollowSymlinks: true, Files: []FileSpec{
		{Path: "in", Length: 4}, {Path: "out", Offset: 4, Length: 4},
	}})
	got := make([]byte, 4)
	if _, err := s.ReadAt(got, 0); err != nil || string(got) != "good" {
		t.Errorf("link inside the root: %q, %v", got, err)
	}
	if _, err := s.ReadAt(got, 4); err == nil {
		t.Errorf("read %q through a link out of the root", got)
	}
}

func TestPoolBoundsOpenFiles(t *testing.T) {
	pool := NewPool(3)
	cfg := FilesConfig{Root: t.TempDir(), Pool: pool}
	const n = 20
	for i := range int64(n) {
		cfg.Files = append(cfg.Files, FileSpec{Path: string(rune('a' + i)), Offset: i * 10, Length: 10})
	}
	s := open(t, cfg)
	for round := range 2 {
		for i := range int64(n) {
			write(t, s, "0123456789", i*10)
			if pool.Open() > 3 {
				t.Fatalf("round %d: %d files open, bound 3", round, pool.Open())
			}
		}
	}
	all := make([]byte, n*10)
	if _, err := s.ReadAt(all, 0); err != nil || string(all) != strings.Repeat("0123456789", n) {
		t.Fatalf("read %q, %v", all, err)
	}
	if err := s.Idle(); err != nil {
		t.Fatal(err)
	}
	if pool.Open() != 0 {
		t.Errorf("%d files open in an idle torrent", pool.Open())
	}
	write(t, s, "x", 0)
}

func TestSparse100GB(t *testing.T) {
	const size = 100 << 30
	root := t.TempDir()
	s := open(t, FilesConfig{Root: root, Prealloc: PreallocSparse, Files: []FileSpec{{Path: "big", Length: size}}})
	if _, err := s.WriteAt([]byte("end"), size-3); err != nil {
		t.Skip("the file system takes no such files:", err)
	}
	got := make([]byte, 3)
	if _, err := s.ReadAt(got, size-3); err != nil || string(got) != "end" {
		t.Errorf("at the end: %q, %v", got, err)
	}
	if _, err := s.ReadAt(got, 50<<30); err != nil || string(got) != "\x00\x00\x00" {
		t.Errorf("in the hole: %q, %v", got, err)
	}
	st, err := s.Stat(0)
	if err != nil || st.Size != size {
		t.Errorf("%+v, %v", st, err)
	}
	if need, err := s.Required(); err != nil || need < size-(1<<20) || need > size {
		t.Errorf("a sparse file of %d bytes still needs %d, %v", int64(size), need, err)
	}
}

func TestRequiredCountsWantedFiles(t *testing.T) {
	cfg := mixed(t.TempDir())
	cfg.Wanted = []bool{true, true, true, false}
	cfg.Prealloc = PreallocFull
	s := open(t, cfg)
	if need, err := s.Required(); err != nil || need != 10 {
		t.Errorf("before: %d, %v; want 10", need, err)
	}
	write(t, s, "01", 0)
	write(t, s, "ab", 16)
	if need, err := s.Required(); err != nil || need != 0 {
		t.Errorf("after preallocation: %d, %v; want 0", need, err)
	}
	if st, err := s.Stat(3); err != nil || st.Size != 2 {
		t.Errorf("an unwanted file was preallocated: %+v, %v", st, err)
	}
	if free, err := FreeSpace(filepath.Join(cfg.Root, "not", "there")); err != nil || free == 0 {
		t.Errorf("free space %d, %v", free, err)
	}
}

func TestConfigRefused(t *testing.T) {
	ok := FileSpec{Path: "f", Length: 4}
	for name, cfg := range map[string]FilesConfig{
		"no root":         {Files: []FileSpec{ok}},
		"gap":             {Root: "r", Files: []FileSpec{ok, {Path: "g", Offset: 5, Length: 1}}},
		"overlap":         {Root: "r", Files: []FileSpec{ok, {Path: "g", Offset: 3, Length: 1}}},
		"negative":        {Root: "r", Files: []FileSpec{{Path: "f", Length: -1}}},
		"overflow":        {Root: "r", Files: []FileSpec{{Path: "f", Length: 1 << 62}, {Path: "g", Offset: 1 << 62, Length: 1 << 62}}},
		"parent":          {Root: "r", Files: []FileSpec{{Path: "../f", Length: 4}}},
		"hidden parent":   {Root: "r", Files: []FileSpec{{Path: "a/../../f", Length: 4}}},
		"absolute":        {Root: "r", Files: []FileSpec{{Path: "/f", Length: 4}}},
		"empty name":      {Root: "r", Files: []FileSpec{{Length: 4}}},
		"nul":             {Root: "r", Files: []FileSpec{{Path: "a\x00b", Length: 4}}},
		"same twice":      {Root: "r", Files: []FileSpec{ok, {Path: "f", Offset: 4, Length: 1}}},
		"partial clash":   {Root: "r", Files: []FileSpec{ok, {Path: "f.part", Offset: 4, Length: 1}}},
		"wanted":          {Root: "r", Files: []FileSpec{ok}, Wanted: []bool{true, true}},
		"follow to write": {Root: "r", Files: []FileSpec{ok}, FollowSymlinks: true},
		"prealloc":        {Root: "r", Files: []FileSpec{ok}, Prealloc: 9},
	} {
		if s, err := OpenFiles(cfg); err == nil {
			t.Errorf("%s: accepted as %+v", name, s.files)
		}
	}
}

func TestVectorsAllocateNothing(t *testing.T) {
	s := open(t, FilesConfig{Root: t.TempDir(), Files: []FileSpec{{Path: "f", Length: 1 << 20}, {Path: "g", Offset: 1 << 20, Length: 1 << 20}}})
	bufs := make([][]byte, 16)
	for i := range bufs {
		bufs[i] = make([]byte, 16<<10)
	}
	for _, off := range []int64{0, 1<<20 - 100<<10} { // inside a file, across two
		got := testing.AllocsPerRun(100, func() {
			if err := s.WriteVecAt(bufs, off); err != nil {
				t.Error(err)
			}
			if err := s.ReadVecAt(bufs, off); err != nil {
				t.Error(err)
			}
		})
		if got >= 1 && !raceEnabled {
			t.Errorf("vectors at %d: %v allocations a round", off, got)
		}
	}
}
