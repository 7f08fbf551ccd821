package content

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/eddy-p2p/eddy/metainfo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes a file of n bytes that depend on its name, with an old time of change so that the cache takes it.
func write(t testing.TB, path string, n int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	r := rand.NewChaCha8([32]byte([]byte(filepath.Base(path) + strings.Repeat(".", 32))[:32]))
	data := make([]byte, n)
	r.Read(data)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	age(t, path, time.Hour)
}

func age(t testing.TB, path string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// sample makes a directory with everything that orders and sizes can go wrong with.
func sample(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "tree")
	for name, n := range map[string]int{
		"b/x": 70_000, "B/y": 1, "a.d/z": 16384, "a": 40_000, "a.txt": 3, "Z": 65536, "_u": 131073, "é": 9, "a b": 8,
		"a-b": 77_777, "a.d.txt": 5, "b/sub/deep": 200_000, "last": 100,
	} {
		write(t, filepath.Join(dir, name), n)
	}
	return dir
}

func scanned(t testing.TB, path string, opt Options) *Tree {
	t.Helper()
	tree, err := Scan(context.Background(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func hashed(t testing.TB, tree *Tree, opt HashOptions) *metainfo.MetaInfo {
	t.Helper()
	m, err := Hash(context.Background(), tree, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func names(tree *Tree) []string {
	var out []string
	for _, f := range tree.Files {
		out = append(out, strings.Join(f.Path, "/"))
	}
	return out
}

func TestScanIncludesAndExcludes(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a.go", "a.txt", "sub/b.go", "sub/.git/c.go", ".hid"} {
		write(t, filepath.Join(dir, n), 1)
	}
	for _, c := range []struct {
		opt  Options
		want []string
	}{
		{Options{}, []string{".hid", "a.go", "a.txt", "sub/.git/c.go", "sub/b.go"}},
		{Options{Exclude: []string{".*"}}, []string{"a.go", "a.txt", "sub/b.go"}},
		{Options{Include: []string{"*.go"}, Exclude: []string{".git/"}}, []string{"a.go", "sub/b.go"}},
		{Options{Include: []string{"sub/*.go"}}, []string{"sub/b.go"}},
		{Options{Include: []string{"sub"}}, []string{"sub/.git/c.go", "sub/b.go"}},
	} {
		if d := cmp.Diff(c.want, names(scanned(t, dir, c.opt))); d != "" {
			t.Errorf("%+v: %s", c.opt, d)
		}
	}
	if _, err := Scan(context.Background(), dir, Options{Exclude: []string{"["}}); err == nil {
		t.Error("bad pattern accepted")
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

func TestScanFollowsLinksInsideOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	write(t, filepath.Join(dir, "sub/f"), 5)
	link(t, "sub/f", filepath.Join(dir, "file"))
	link(t, "sub", filepath.Join(dir, "dir"))
	link(t, "nowhere", filepath.Join(dir, "dangling"))
	tree := scanned(t, dir, Options{})
	if d := cmp.Diff([]string{"dir/f", "file", "sub/f"}, names(tree)); d != "" {
		t.Error(d)
	}
	if len(tree.Unreadable) != 1 || tree.Unreadable[0].Path != "dangling" {
		t.Errorf("unreadable: %v", tree.Unreadable)
	}
	for target, want := range map[string]error{"..": ErrEscape, "/etc": ErrEscape, "../d-other": ErrEscape, ".": ErrCycle, "../d": ErrCycle} {
		write(t, filepath.Join(filepath.Dir(dir), "d-other"), 1)
		bad := filepath.Join(dir, "sub", "bad")
		if target == "." || target == ".." || target == "../d" {
			bad = filepath.Join(dir, "bad")
		}
		link(t, target, bad)
		_, err := Scan(context.Background(), dir, Options{})
		if target == "../d-other" { // seen from sub: d/d-other, which is not there
			if err != nil {
				t.Errorf("%s: %v", target, err)
			}
		} else if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", target, err, want)
		}
		os.Remove(bad)
	}
}

func TestScanOfLinkToParentIsACycle(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b/f"), 1)
	link(t, "../..", filepath.Join(dir, "a/b/up"))
	if _, err := Scan(context.Background(), dir, Options{}); !errors.Is(err, ErrCycle) {
		t.Errorf("%v", err)
	}
}

func TestHashAllFormats(t *testing.T) {
	dir := sample(t)
	write(t, filepath.Join(dir, "empty"), 0)
	tree := scanned(t, dir, Options{})
	paths := map[string]string{}
	for _, f := range tree.Files {
		paths[strings.Join(f.Path, "/")] = f.Real
	}
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		for _, pl := range []int64{16 << 10, 64 << 10, 1 << 20} {
			m := hashed(t, tree, HashOptions{Format: format, PieceLength: pl, Trackers: [][]string{{"http://a/"}, {"udp://b/"}}})
			m, err := metainfo.Parse(m.Bytes())
			if err != nil {
				t.Fatalf("%v %d: %v", format, pl, err)
			}
			if m.HasV1() != format.HasV1() || m.HasV2() != format.HasV2() || !m.HasLayers() || m.Length() != tree.Size() {
				t.Errorf("%v %d: wrong torrent %+v", format, pl, m.ID)
			}
			real, err := tree.PathsOf(m.Files)
			if err != nil {
				t.Fatal(err)
			}
			good, err := VerifyFiles(context.Background(), real, m, VerifyOptions{Workers: 3})
			if err != nil || len(good) != m.NumPieces() {
				t.Fatalf("%v %d: %d pieces, %v", format, pl, len(good), err)
			}
			for i, ok := range good {
				if !ok {
					t.Errorf("%v %d: piece %d bad", format, pl, i)
				}
			}
			checkRoots(t, m, paths)
		}
	}
}

// checkRoots compares the roots with those of a plain computation over whole files.
func checkRoots(t *testing.T, m *metainfo.MetaInfo, paths map[string]string) {
	t.Helper()
	if !m.HasV2() {
		return
	}
	for _, f := range m.Files {
		if f.Pad || f.Length == 0 {
			continue
		}
		data, err := os.ReadFile(paths[strings.Join(f.Path, "/")])
		if err != nil {
			t.Fatal(err)
		}
		if want := metainfo.BlocksRoot(data, 0); f.Root != want {
			t.Errorf("%v: root %x, want %x", f.Path, f.Root, want)
		}
	}
}

func TestVerifyFindsTheBadPieces(t *testing.T) {
	dir := sample(t)
	tree := scanned(t, dir, Options{})
	m := hashed(t, tree, HashOptions{PieceLength: 16 << 10})
	var paths []string
	for _, f := range tree.Files {
		paths = append(paths, f.Real)
	}
	r := NewReader(m.Files, paths)
	all := make([]byte, m.Layout().Size)
	if n, err := r.ReadAt(all, 0); err != nil || n != len(all) {
		t.Fatalf("%d, %v", n, err)
	}
	r.Close()
	all[5*16384+7] ^= 1
	var last atomic.Int64
	progress := func(done, total int64) {
		if done < last.Swap(done) || done > total {
			t.Errorf("progress %d of %d", done, total)
		}
	}
	good, err := Verify(context.Background(), bytes.NewReader(all[:len(all)-16384]), m, VerifyOptions{Progress: progress})
	if err != nil {
		t.Fatal(err)
	}
	n := m.NumPieces()
	for i, ok := range good {
		if want := i != 5 && i < n-2; ok != want && i != n-2 {
			t.Errorf("piece %d: %v", i, ok)
		}
	}
	if good[n-2] {
		t.Error("a piece cut short is good")
	}
	if last.Load() != m.Layout().Size {
		t.Errorf("last progress %d", last.Load())
	}
}

type brokenDisk struct{}

var errDisk = errors.New("input/output error")

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestVerifyReportsABrokenDisk(t *testing.T) {
	m := hashed(t, scanned(t, sample(t), Options{}), HashOptions{})
	if _, err := Verify(context.Background(), brokenDisk{}, m, VerifyOptions{}); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, brokenDisk{}, m, VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestVerifyV2WithoutLayerIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	write(t, p, 100_000)
	tree := scanned(t, p, Options{})
	m := hashed(t, tree, HashOptions{Format: metainfo.V2, PieceLength: 16 << 10})
	if got, err := tree.PathsOf(m.Files); err != nil || len(got) != 1 || got[0] != p {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := scanned(t, sample(t), Options{}).PathsOf(m.Files); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files of another tree: %v", err)
	}
	m.PieceLayers = nil
	count := func() (n int) {
		good, err := VerifyFiles(context.Background(), []string{p}, m, VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ok := range good {
			if ok {
				n++
			}
		}
		return n
	}
	if n := count(); n != 7 {
		t.Errorf("%d good pieces of 7", n)
	}
	data, _ := os.ReadFile(p)
	data[0] ^= 1
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("%d good pieces of a file that does not match its root", n)
	}
}

func TestHashRefusesAFileThatChanges(t *testing.T) {
	for name, change := range map[string]func(p string) error{
		"grows":   func(p string) error { return os.WriteFile(p, make([]byte, 300_001), 0o644) },
		"shrinks": func(p string) error { return os.Truncate(p, 10) },
		"replaced": func(p string) error {
			return errors.Join(os.WriteFile(p+"2", make([]byte, 300_000), 0o644), os.Rename(p+"2", p))
		},
		"gone": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			p := filepath.Join(t.TempDir(), "f")
			write(t, p, 300_000)
			tree := scanned(t, p, Options{})
			if err := Changed(tree); err != nil {
				t.Fatal(err)
			}
			changed := false
			_, err := Hash(context.Background(), tree, HashOptions{PieceLength: 16 << 10, Workers: 1, Progress: func(int64, int64) {
				if !changed {
					changed = true
					if err := change(p); err != nil {
						t.Error(err)
					}
				}
			}})
			if !errors.Is(err, ErrChanged) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("hashing: %v", err)
			}
			if Changed(tree) == nil {
				t.Error("Changed sees nothing")
			}
		})
	}
}

// read counts the bytes that hashing reads, as its progress tells: what the cache knows is there before the first report.
func read(t *testing.T, tree *Tree, opt HashOptions) (m *metainfo.MetaInfo, pieces int) {
	t.Helper()
	opt.Workers = 1
	calls := -1 // the report at the end
	opt.Progress = func(int64, int64) { calls++ }
	return hashed(t, tree, opt), calls
}

func TestCacheSparesUnchangedFiles(t *testing.T) {
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		dir, cacheDir := sample(t), filepath.Join(t.TempDir(), "cache")
		opt := HashOptions{Format: format, PieceLength: 16 << 10, CacheDir: cacheDir}
		first, n := read(t, scanned(t, dir, Options{}), opt)
		if n != first.NumPieces() {
			t.Fatalf("%v: first run read %d of %d pieces", format, n, first.NumPieces())
		}
		again, n := read(t, scanned(t, dir, Options{}), opt)
		if n != 0 || again.ID != first.ID || !bytes.Equal(again.Bytes(), first.Bytes()) {
			t.Errorf("%v: second run read %d pieces", format, n)
		}
		anew := opt
		anew.Rehash = true
		if again, n = read(t, scanned(t, dir, Options{}), anew); n != first.NumPieces() || again.ID != first.ID {
			t.Errorf("%v: told to rehash, it read %d of %d pieces", format, n, first.NumPieces())
		}
		// One file changes: only what touches it is read again.
		age(t, filepath.Join(dir, "last"), 2*time.Hour)
		again, n = read(t, scanned(t, dir, Options{}), opt)
		if n < 1 || n > 2 || again.ID != first.ID {
			t.Errorf("%v: after touching the last file %d pieces read", format, n)
		}
		// Garbage is ignored.
		files, _ := filepath.Glob(filepath.Join(cacheDir, "*"))
		if len(files) != 1 {
			t.Fatalf("cache holds %v", files)
		}
		raw, _ := os.ReadFile(files[0])
		raw[len(raw)/2] ^= 1
		for _, garbage := range [][]byte{raw, raw[:len(raw)/3], {}, []byte(cacheMagic)} {
			if err := os.WriteFile(files[0], garbage, 0o600); err != nil {
				t.Fatal(err)
			}
			again, n = read(t, scanned(t, dir, Options{}), opt)
			if n != first.NumPieces() || again.ID != first.ID {
				t.Errorf("%v: with garbage in the cache %d pieces read", format, n)
			}
		}
	}
}

func TestCacheLeavesOutFreshFiles(t *testing.T) {
	p := filepath.Join(t.TempDir(), "f")
	write(t, p, 50_000)
	age(t, p, -time.Hour) // as fresh as can be
	opt := HashOptions{PieceLength: 16 << 10, CacheDir: t.TempDir()}
	for range 2 {
		if m, n := read(t, scanned(t, p, Options{}), opt); n != m.NumPieces() {
			t.Errorf("%d pieces read", n)
		}
	}
}

func TestHashOfNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), 0)
	if _, err := Hash(context.Background(), scanned(t, dir, Options{}), HashOptions{}); !errors.Is(err, ErrNothing) {
		t.Errorf("%v", err)
	}
}

func TestReaderDoesNotBlockOnPipes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such files")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "f"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := NewReader([]metainfo.File{{Length: 10}}, []string{filepath.Join(dir, "f")})
	if _, err := r.ReadAt(make([]byte, 10), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestScanListsWhatItCannotRead(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("everything is readable here")
	}
	dir := t.TempDir()
	for _, n := range []string{"ok", "no", "closed/f"} {
		write(t, filepath.Join(dir, n), 1)
	}
	closed := filepath.Join(dir, "closed")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "no"), 0), os.Chmod(closed, 0)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(closed, 0o755)
	tree := scanned(t, dir, Options{})
	if d := cmp.Diff([]string{"ok"}, names(tree)); d != "" {
		t.Error(d)
	}
	if len(tree.Unreadable) != 2 {
		t.Errorf("unreadable: %v", tree.Unreadable)
	}
}
