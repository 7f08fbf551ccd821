package eddy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy"
)

// pattern returns n bytes that look random and are the same for the same seed.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	r.Read(b)
	return b
}

// write makes a file with its directories.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// client runs a client on loopback until the test ends.
func client(t testing.TB, cfg eddy.Config) *eddy.Client {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	c, err := eddy.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Errorf("client ended with %v", err)
		}
	})
	return c
}

// share makes a torrent of path and seeds it.
func share(t testing.TB, path string, pieceLength int64) (*eddy.Source, string) {
	t.Helper()
	src, err := eddy.Create(context.Background(), path, eddy.CreateOptions{PieceLength: pieceLength})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, eddy.Config{})
	if _, err := c.Add(eddy.TorrentOptions{Source: src}); err != nil {
		t.Fatal(err)
	}
	return src, c.Addr().String()
}

// within is a context that no passing test comes near.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func add(t testing.TB, c *eddy.Client, opts eddy.TorrentOptions) *eddy.Torrent {
	t.Helper()
	tor, err := c.Add(opts)
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

func wantFile(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from its source", path)
	}
}

func TestGetAFile(t *testing.T) {
	data := pattern(3<<20+12345, 1)
	from, to := filepath.Join(t.TempDir(), "film.bin"), t.TempDir()
	write(t, from, data)
	src, peer := share(t, from, 64<<10)
	tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}})
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(to, "film.bin"), data)
	if s := tor.Stats(); s.Have != s.Size || s.Contributors != 1 || s.Wasted != 0 || s.State != eddy.Seeding {
		t.Errorf("stats after completion: %+v", s)
	}
	if _, err := os.Stat(filepath.Join(to, "film.bin.part")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the partial file is still there: %v", err)
	}
}

func TestGetADirectory(t *testing.T) {
	files := map[string][]byte{
		"a/one":       pattern(100_000, 1),
		"a/empty":     {},
		"b/two.txt":   pattern(1, 2),
		"b/c/drei ü":  pattern(300_000, 3),
		".hidden":     pattern(5, 4),
		"z":           pattern(16<<10, 5),
		"zero/length": {},
	}
	from, to := filepath.Join(t.TempDir(), "tree"), t.TempDir()
	for name, data := range files {
		write(t, filepath.Join(from, name), data)
	}
	src, peer := share(t, from, 32<<10)
	tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}})
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		wantFile(t, filepath.Join(to, "tree", name), data)
	}
	if got := tor.Path(); got != filepath.Join(to, "tree") {
		t.Errorf("Path is %s", got)
	}
}

func TestGetSelectedFiles(t *testing.T) {
	one, two := pattern(200_000, 1), pattern(200_000, 2)
	from, to := filepath.Join(t.TempDir(), "tree"), t.TempDir()
	write(t, filepath.Join(from, "one"), one)
	write(t, filepath.Join(from, "two"), two)
	write(t, filepath.Join(from, "zzz"), two)
	src, peer := share(t, from, 32<<10)
	index := -1
	for i, f := range src.Meta.Files {
		if f.Path[0] == "two" {
			index = i
		}
	}
	tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}, Wanted: []int{index}})
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(to, "tree", "two"), two)
	for _, name := range []string{"one", "zzz"} {
		if _, err := os.Stat(filepath.Join(to, "tree", name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was not asked for: %v", name, err)
		}
	}
}

func TestExistingDataIsReused(t *testing.T) {
	data := pattern(1<<20, 1)
	from, to := filepath.Join(t.TempDir(), "film"), t.TempDir()
	write(t, from, data)
	src, peer := share(t, from, 64<<10)
	half := bytes.Clone(data)
	clear(half[512<<10:])
	write(t, filepath.Join(to, "film.part"), half)
	tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}})
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(to, "film"), data)
	if s := tor.Stats(); s.Downloaded != 512<<10 {
		t.Errorf("fetched %d bytes, want the missing half, %d", s.Downloaded, 512<<10)
	}
}

func TestFilesThatDifferAreNotReplacedUnasked(t *testing.T) {
	data := pattern(1<<20, 1)
	from, to := filepath.Join(t.TempDir(), "film"), t.TempDir()
	write(t, from, data)
	src, peer := share(t, from, 64<<10)
	mine := pattern(1<<20, 2)
	write(t, filepath.Join(to, "film"), mine)
	opts := eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}}
	tor := add(t, client(t, eddy.Config{}), opts)
	if err := tor.Wait(within(t)); !errors.Is(err, eddy.ErrConflict) {
		t.Fatalf("got %v, want %v", err, eddy.ErrConflict)
	}
	wantFile(t, filepath.Join(to, "film"), mine)

	opts.Overwrite = true
	tor = add(t, client(t, eddy.Config{}), opts)
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(to, "film"), data)
}

func TestResumeWithTheRecordHashesNothingAgain(t *testing.T) {
	data := pattern(1<<20, 1)
	from, to, state := filepath.Join(t.TempDir(), "film"), t.TempDir(), t.TempDir()
	write(t, from, data)
	src, peer := share(t, from, 64<<10)
	opts := eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}}
	c := client(t, eddy.Config{StateDir: state})
	tor := add(t, c, opts)
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := tor.Close(); err != nil {
		t.Fatal(err)
	}
	tor = add(t, client(t, eddy.Config{StateDir: state}), opts)
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	if s := tor.Stats(); s.Checked != 0 || s.Downloaded != 0 {
		t.Errorf("looked at %d bytes and fetched %d, want none", s.Checked, s.Downloaded)
	}
}

func TestTwoProcessesCannotFetchIntoTheSamePlace(t *testing.T) {
	data := pattern(1<<20, 1)
	from, to, state := filepath.Join(t.TempDir(), "film"), t.TempDir(), t.TempDir()
	write(t, from, data)
	src, _ := share(t, from, 64<<10)
	opts := eddy.TorrentOptions{Meta: src.Meta, Dir: to}
	first := add(t, client(t, eddy.Config{StateDir: state}), opts)
	for first.Stats().State == eddy.Checking {
		time.Sleep(time.Millisecond)
	}
	second := add(t, client(t, eddy.Config{StateDir: state}), opts)
	if err := second.Wait(within(t)); !errors.Is(err, eddy.ErrInUse) {
		t.Errorf("got %v, want %v", err, eddy.ErrInUse)
	}
}

func TestSeedNeedsCompleteContent(t *testing.T) {
	data := pattern(1<<20, 1)
	dir := t.TempDir()
	from := filepath.Join(dir, "film")
	write(t, from, data)
	src, _ := share(t, from, 64<<10)
	other := t.TempDir()
	bad := bytes.Clone(data)
	bad[700_000] ^= 1
	write(t, filepath.Join(other, "film"), bad)
	tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Seed: true, Path: filepath.Join(other, "film")})
	if err := tor.Wait(within(t)); !errors.Is(err, eddy.ErrIncomplete) {
		t.Errorf("got %v, want %v", err, eddy.ErrIncomplete)
	}
	seed := client(t, eddy.Config{})
	tor = add(t, seed, eddy.TorrentOptions{Meta: src.Meta, Seed: true, Path: dir})
	if err := tor.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	get := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{seed.Addr().String()}})
	if err := get.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(to, "film"), data)
}

func TestPathOfSeededContent(t *testing.T) {
	parent := t.TempDir()
	tree := filepath.Join(parent, "tree")
	write(t, filepath.Join(tree, "a", "one"), pattern(100_000, 1))
	src, _ := share(t, tree, 64<<10)
	renamed := filepath.Join(t.TempDir(), "other name")
	write(t, filepath.Join(renamed, "a", "one"), pattern(100_000, 1))
	for path, want := range map[string]string{parent: tree, tree: tree, renamed: renamed} {
		tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Seed: true, Path: path})
		if err := tor.Wait(within(t)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if got := tor.Path(); got != want {
			t.Errorf("content at %s has the path %s, want %s", path, got, want)
		}
	}
}

func TestChangedSourceIsNoLongerServed(t *testing.T) {
	data := pattern(1<<20, 1)
	from, to := filepath.Join(t.TempDir(), "film"), t.TempDir()
	write(t, from, data)
	src, err := eddy.Create(context.Background(), from, eddy.CreateOptions{PieceLength: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	seeder := client(t, eddy.Config{})
	seed := add(t, seeder, eddy.TorrentOptions{Source: src})
	data[5] ^= 1
	later := time.Now().Add(time.Second)
	write(t, from, data)
	if err := os.Chtimes(from, later, later); err != nil {
		t.Fatal(err)
	}
	get := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{seeder.Addr().String()}})
	select {
	case <-seed.Failed():
	case <-within(t).Done():
		t.Fatal("the seeder goes on")
	}
	if err := seed.Err(); !errors.Is(err, eddy.ErrSourceChanged) {
		t.Errorf("got %v, want %v", err, eddy.ErrSourceChanged)
	}
	if s := get.Stats(); s.HashFailures != 0 {
		t.Errorf("%d pieces failed: changed bytes were served", s.HashFailures)
	}
	if _, err := seeder.Add(eddy.TorrentOptions{Source: src}); !errors.Is(err, eddy.ErrSourceChanged) {
		t.Errorf("sharing it again: got %v, want %v", err, eddy.ErrSourceChanged)
	}
}

func TestReaderStreamsInOrder(t *testing.T) {
	data := pattern(2<<20, 1)
	from, to := filepath.Join(t.TempDir(), "film"), t.TempDir()
	write(t, from, data)
	src, peer := share(t, from, 64<<10)
	tor := add(t, client(t, eddy.Config{}), eddy.TorrentOptions{Meta: src.Meta, Dir: to, Peers: []string{peer}, Sequential: true})
	r := tor.NewReader(within(t))
	defer r.Close()
	if _, err := r.Seek(-100, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	tail, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(tail, data[len(data)-100:]) {
		t.Fatalf("read %d bytes at the end: %v", len(tail), err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(all, data) {
		t.Fatalf("read %d bytes: %v", len(all), err)
	}
}

// A reader that is there before anybody knows what is on disk gets the content all the same.
func TestReaderOfContentThatIsComplete(t *testing.T) {
	data := pattern(1<<20, 1)
	from, to := filepath.Join(t.TempDir(), "film"), t.TempDir()
	write(t, from, data)
	src, err := eddy.Create(context.Background(), from, eddy.CreateOptions{PieceLength: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(to, "film"), data)
	c, err := eddy.NewClient(eddy.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	tor := add(t, c, eddy.TorrentOptions{Meta: src.Meta, Dir: to})
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(tor.NewReader(within(t)))
		read <- result{data, err}
	}()
	for range 100 { // let it begin to wait: the client does not run yet
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- c.Run(ctx) }()
	r := <-read
	if r.err != nil || !bytes.Equal(r.data, data) {
		t.Errorf("read %d bytes: %v", len(r.data), r.err)
	}
	cancel()
	if err := <-end; err != nil {
		t.Error(err)
	}
}

func TestFourReceiversHelpEachOther(t *testing.T) {
	data := pattern(4<<20, 1)
	from := filepath.Join(t.TempDir(), "film")
	write(t, from, data)
	src, err := eddy.Create(context.Background(), from, eddy.CreateOptions{PieceLength: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	seeder := client(t, eddy.Config{UploadLimit: 4 << 20})
	seed := add(t, seeder, eddy.TorrentOptions{Source: src})
	peers := []string{seeder.Addr().String()}
	var gets []*eddy.Torrent
	var dirs []string
	for range 4 {
		c := client(t, eddy.Config{})
		dir := t.TempDir()
		gets = append(gets, add(t, c, eddy.TorrentOptions{Meta: src.Meta, Dir: dir, Peers: append([]string(nil), peers...)}))
		peers, dirs = append(peers, c.Addr().String()), append(dirs, dir)
	}
	ctx := within(t)
	for i, g := range gets {
		if err := g.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		wantFile(t, filepath.Join(dirs[i], "film"), data)
	}
	if s := seed.Stats(); s.Uploaded >= 3*s.Size {
		t.Errorf("the seeder sent %d bytes of the 4 copies of %d: the receivers did not help each other", s.Uploaded, s.Size)
	}
}

func TestVerify(t *testing.T) {
	data := pattern(1<<20, 1)
	dir := t.TempDir()
	from := filepath.Join(dir, "film")
	write(t, from, data)
	src, err := eddy.Create(context.Background(), from, eddy.CreateOptions{PieceLength: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{from, dir} {
		rep, err := eddy.Verify(context.Background(), src.Meta, path, 0, nil)
		if err != nil || rep.Good != 16 || len(rep.Bad) != 0 {
			t.Errorf("%s: %+v, %v", path, rep, err)
		}
	}
	data[64<<10*3] ^= 1
	write(t, from, data)
	rep, err := eddy.Verify(context.Background(), src.Meta, from, 0, nil)
	if err != nil || len(rep.Bad) != 1 || rep.Bad[0] != 3 {
		t.Errorf("%+v, %v", rep, err)
	}
}
