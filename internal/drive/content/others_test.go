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

// libtorrentScript loads a torrent of ours, makes one itself of the same files, and prints the infohashes of both and
// the progress that checking the files against ours ends with.
const libtorrentScript = `
import os, sys, time
import libtorrent as lt
torrent, src, flags, piece = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ours = lt.torrent_info(torrent)
fs = lt.file_storage()
lt.add_files(fs, src)
ct = lt.create_torrent(fs, piece, flags)
lt.set_piece_hashes(ct, os.path.dirname(src))
theirs = lt.torrent_info(ct.generate())
s = lt.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False})
h = s.add_torrent({'ti': ours, 'save_path': os.path.dirname(src)})
for i in range(600):
    st = h.status()
    if st.is_seeding or st.errc.value():
        break
    time.sleep(0.05)
print(ours.info_hashes().v1, theirs.info_hashes().v1, ours.info_hashes().v2, theirs.info_hashes().v2, st.progress)
`

// An independent implementation of BEP 52: it must accept our content as whole, and make the same v2 and single-file
// hybrid torrents. Its hybrids of directories end in a pad file, which ours leave out as BEP 52 allows.
func TestLibtorrentAgrees(t *testing.T) {
	const python = "/usr/bin/python3" // the one that distributions install libtorrent for
	if exec.Command(python, "-c", "import libtorrent").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-libtorrent is not installed")
		}
		t.Skip("python3-libtorrent is not installed")
	}
	dir := sample(t)
	write(t, filepath.Join(dir, "empty"), 0)
	// libtorrent's own flags: 64 is v1 alone, 32 v2 alone, 0 hybrid.
	for format, flags := range map[metainfo.Format]int{metainfo.V1: 64, metainfo.V2: 32, metainfo.Hybrid: 0} {
		for _, src := range []string{dir, filepath.Join(dir, "b/sub/deep")} {
			m := hashed(t, scanned(t, src, Options{}), HashOptions{Format: format, PieceLength: 64 << 10})
			file := filepath.Join(t.TempDir(), "t.torrent")
			if err := os.WriteFile(file, m.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(python, "-c", libtorrentScript, file, src, fmt.Sprint(flags), "65536").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var v1a, v1b, v2a, v2b string
			var progress float64
			if _, err := fmt.Sscan(string(out), &v1a, &v1b, &v2a, &v2b, &progress); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if progress != 1 {
				t.Errorf("%v of %s: libtorrent finds %v of the content", format, src, progress)
			}
			if sameAsOurs := src != dir || format == metainfo.V2; sameAsOurs && (v1a != v1b || v2a != v2b) {
				t.Errorf("%v of %s: infohashes %s", format, src, out)
			}
		}
	}
}
