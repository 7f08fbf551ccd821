package content

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eddy-p2p/eddy/metainfo"
)

// other runs another torrent maker. Where it is not installed the test is skipped, but not in CI.
func other(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	bin, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	out := filepath.Join(t.TempDir(), "out.torrent")
	args = append([]string{"-o", out}, args...)
	if msg, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, msg)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSameInfohashAsMktorrent(t *testing.T) {
	dir := sample(t)
	write(t, filepath.Join(dir, ".hidden"), 1000)
	write(t, filepath.Join(dir, ".hid/den"), 1000)
	write(t, filepath.Join(dir, "empty"), 0)
	link(t, "a", filepath.Join(dir, "link"))
	link(t, "b", filepath.Join(dir, "dirlink"))
	for _, path := range []string{dir, filepath.Join(dir, "_u"), filepath.Join(dir, "a b"), dir + "/"} {
		for _, exp := range []int{15, 16, 18} {
			for _, private := range []bool{false, true} {
				args := []string{"-a", "http://x/announce", "-l", fmt.Sprint(exp), path}
				if private {
					args = append([]string{"-p"}, args...)
				}
				theirs, err := metainfo.Parse(other(t, "mktorrent", args...))
				if err != nil {
					t.Fatal(err)
				}
				ours := hashed(t, scanned(t, path, Options{}), HashOptions{PieceLength: 1 << exp, Private: private})
				if !bytes.Equal(ours.InfoBytes, theirs.InfoBytes) {
					t.Errorf("%s, 2^%d, private %v:\nours   %.500q\ntheirs %.500q", path, exp, private, ours.InfoBytes, theirs.InfoBytes)
				}
			}
		}
	}
}

func TestSameInfohashAsTransmission(t *testing.T) {
	// It leaves hidden and empty files out, and sorts without regard to case.
	dir := sample(t)
	for _, name := range []string{"B", "Z", "é"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "_u")} {
		theirs, err := metainfo.Parse(other(t, "transmission-create", "-s", "32", "-t", "http://x/announce", path))
		if err != nil {
			t.Fatal(err)
		}
		info := bytes.Replace(theirs.InfoBytes, []byte("7:privatei0e"), nil, 1)
		ours := hashed(t, scanned(t, path, Options{}), HashOptions{PieceLength: 32 << 10})
		if got, want := ours.ID.V1, sha1.Sum(info); got != want {
			t.Errorf("%s:\nours   %.900q\ntheirs %.900q", path, ours.InfoBytes, info)
		}
	}
}

// BenchmarkHash measures a file in the page cache; EDDY_BENCH_FILE names a larger one.
func BenchmarkHash(b *testing.B) {
	path := os.Getenv("EDDY_BENCH_FILE")
	if path == "" {
		path = filepath.Join(b.TempDir(), "data")
		write(b, path, 256<<20)
	}
	if f, err := os.Open(path); err == nil {
		_, _ = io.Copy(io.Discard, f)
		f.Close()
	}
	tree := scanned(b, path, Options{})
	for _, format := range []metainfo.Format{metainfo.V1, metainfo.V2, metainfo.Hybrid} {
		b.Run(format.String(), func(b *testing.B) {
			b.SetBytes(tree.Size())
			for b.Loop() {
				hashed(b, tree, HashOptions{Format: format, PieceLength: 1 << 20})
			}
		})
	}
}
