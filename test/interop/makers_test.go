package interop

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestSameInfohash makes torrents of the same content with eddy and with the common makers: the swarms must be one.
func TestSameInfohash(t *testing.T) {
	const url = "http://10.77.0.1/announce"
	mktorrent := func(out, path string) []string {
		return []string{"mktorrent", "-l", "18", "-a", url, "-o", out, path}
	}
	transmission := func(out, path string) []string {
		return []string{"transmission-create", "-s", "256", "-t", url, "-o", out, path}
	}
	for _, c := range []struct {
		name, kind string
		argv       func(out, path string) []string
	}{
		{"mktorrent/file", "file", mktorrent},
		{"mktorrent/tree", "tree", mktorrent},
		{"transmission-create/file", "file", transmission},
		// transmission 3.00 leaves empty and hidden files out, and sorts without regard to case, its bytes signed: the
		// orders agree where names are lower-case ASCII.
		{"transmission-create/tree", "plain tree", transmission},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "plain")
			if c.kind == "plain tree" {
				for i, name := range []string{"b/c/deep", "b/c.d", "b-c", "z", "a file", "b/a"} {
					harness.WriteFile(t, filepath.Join(path, name), 100_000, uint64(i))
				}
			} else {
				path = content(t, c.kind)
			}
			out := filepath.Join(t.TempDir(), "o.torrent")
			argv := c.argv(out, path)
			harness.Need(t, argv[0])
			if text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v\n%s", argv, err, text)
			}
			b, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			info := rawInfo(t, b)
			if argv[0] == "transmission-create" { // it writes a key that its users never asked for
				info = bytes.Replace(info, []byte("7:privatei0e"), nil, 1)
			}
			sum := sha1.Sum(info)
			_, got := harness.Create(t, path, "-t", url, "--piece-size", "256KiB")
			if want := hex.EncodeToString(sum[:]); got != want {
				t.Errorf("eddy create: infohash %s, %s: %s", got, argv[0], want)
			}
			if argv[0] == "mktorrent" {
				if shown := harness.Run(t, "show", out).Str("infohash_v1"); shown != got {
					t.Errorf("eddy show of its torrent: infohash %s, want %s", shown, got)
				}
			}
		})
	}
}

// rawInfo cuts the info dictionary out of a torrent, with a scanner that shares nothing with eddy's.
func rawInfo(t *testing.T, b []byte) []byte {
	t.Helper()
	for pos := 1; pos < len(b) && b[pos] != 'e'; {
		key := skip(t, b, pos)
		end := skip(t, b, key)
		if string(b[pos:key]) == "4:info" {
			return b[key:end]
		}
		pos = end
	}
	t.Fatal("no info dictionary")
	return nil
}

// skip returns where the bencoded value at pos ends.
func skip(t *testing.T, b []byte, pos int) int {
	t.Helper()
	switch b[pos] {
	case 'i':
		return pos + bytes.IndexByte(b[pos:], 'e') + 1
	case 'l', 'd':
		for pos++; b[pos] != 'e'; {
			pos = skip(t, b, pos)
		}
		return pos + 1
	default:
		colon := pos + bytes.IndexByte(b[pos:], ':')
		n, err := strconv.Atoi(string(b[pos:colon]))
		if err != nil {
			t.Fatalf("at %d: %v", pos, err)
		}
		return colon + 1 + n
	}
}
