package metainfo

import (
	"bytes"
	"encoding/hex"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

// readTorrent reads a torrent of the shared data.
func readTorrent(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(sharedData(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func checkHashes(t *testing.T, m *MetaInfo, v1, v2 string) {
	t.Helper()
	if v1 != "" && hex.EncodeToString(m.ID.V1[:]) != v1 || (v1 == "") == m.ID.HasV1() {
		t.Errorf("v1 infohash %x, want %q", m.ID.V1, v1)
	}
	if v2 != "" && hex.EncodeToString(m.ID.V2[:]) != v2 || (v2 == "") == m.ID.HasV2() {
		t.Errorf("v2 infohash %x, want %q", m.ID.V2, v2)
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTorrentsTable(t *testing.T) {
	rows := table(t, "torrents.tsv", 12)
	if len(rows) != 55 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		t.Run(r[0], func(t *testing.T) {
			m, err := Parse(readTorrent(t, "torrents/"+r[0]))
			if r[1] == "reject" {
				if err == nil {
					t.Fatalf("accepted, want %q", r[2])
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkHashes(t, m, r[4], r[5])
			checkCounts(t, m, r[6], r[7], r[8], r[9])
			checkSafe(t, &m.Info)
			checkBytes(t, m)
		})
	}
}

// checkCounts compares files and sizes; sizes of the table include pads but not the gaps of v2-only torrents.
func checkCounts(t *testing.T, m *MetaInfo, v1Files, v2Files, size, pieceLength string) {
	t.Helper()
	var sum, real int64
	for _, f := range m.Files {
		sum += f.Length
		if !f.Pad {
			real++
		}
	}
	if v1Files != "" && int64(len(m.Files)) != number(t, v1Files) {
		t.Errorf("%d files, want %s", len(m.Files), v1Files)
	}
	if v2Files != "" && real != number(t, v2Files) {
		t.Errorf("%d v2 files, want %s", real, v2Files)
	}
	if sum != number(t, size) {
		t.Errorf("size %d, want %s", sum, size)
	}
	if m.PieceLength != number(t, pieceLength) {
		t.Errorf("piece length %d, want %s", m.PieceLength, pieceLength)
	}
}

// checkSafe checks what every accepted torrent promises of its paths.
func checkSafe(t testing.TB, in *Info) {
	t.Helper()
	for _, target := range []Target{Posix, Windows, Darwin} {
		paths := in.SafePaths(target)
		if len(paths) != len(in.Files) {
			t.Fatalf("%d paths for %d files", len(paths), len(in.Files))
		}
		root, _, _ := strings.Cut(paths[0], "/")
		seen := map[string]bool{}
		for i, p := range paths {
			if p != path.Clean(p) || path.IsAbs(p) || p == "." || p == ".." || strings.HasPrefix(p, "../") {
				t.Errorf("unsafe path %q", p)
			}
			if r, _, _ := strings.Cut(p, "/"); r != root {
				t.Errorf("path %q is not below %q", p, root)
			}
			if in.Files[i].Pad {
				continue
			}
			if f := fold(p, target); seen[f] {
				t.Errorf("path %q twice", p)
			} else {
				seen[f] = true
			}
		}
	}
}

// checkBytes checks that writing and reading again keeps the identity and all we know.
func checkBytes(t testing.TB, m *MetaInfo) {
	t.Helper()
	out := m.Bytes()
	again, err := Parse(out)
	if err != nil {
		t.Fatalf("reading what Bytes wrote: %v", err)
	}
	if again.ID != m.ID || !bytes.Equal(again.InfoBytes, m.InfoBytes) || !bytes.Equal(again.Bytes(), out) {
		t.Error("Bytes does not keep the torrent")
	}
}

func TestFixturesTable(t *testing.T) {
	rows := table(t, "fixtures.tsv", 13)
	if len(rows) != 9 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		t.Run(r[0], func(t *testing.T) {
			m, err := Parse(readTorrent(t, "fixtures/"+r[0]))
			if r[3] == "reject" {
				if err == nil {
					t.Fatal("accepted")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkHashes(t, m, r[6], r[7])
			checkCounts(t, m, r[8], "", r[9], r[10])
			if int64(m.NumPieces()) != number(t, r[11]) {
				t.Errorf("%d pieces, want %s", m.NumPieces(), r[11])
			}
			if "'"+m.Name+"'" != r[12] {
				t.Errorf("name %q, want %s", m.Name, r[12])
			}
			checkSafe(t, &m.Info)
			checkBytes(t, m)
		})
	}
}

func TestSanitizeTable(t *testing.T) {
	rows := table(t, "sanitize_path.tsv", 5)
	if len(rows) < 100 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, r := range rows {
		for _, target := range []Target{Posix, Windows} {
			if r[2] == "posix" && target != Posix || r[2] == "windows" && target != Windows {
				continue
			}
			// A row without elements is one whose characters were all invisible and got lost in extraction.
			var elements []string
			if r[3] == "" {
				elements = []string{"\u202a\u202e"}
			} else {
				for _, e := range strings.Split(r[3], " | ") {
					elements = append(elements, unescape(t, e))
				}
			}
			got := Sanitize(elements, target)
			if r[1] == "1" {
				got = forced(elements, target)
			}
			if want := unescape(t, strings.ReplaceAll(r[4], `\c`, `\\c`)); got != want {
				t.Errorf("row %d %s: %q on target %d = %q, want %q", i+3, r[0], elements, target, got, want)
			}
		}
	}
}

// forced keeps a place for elements that come to nothing, as the force rows of the table do.
func forced(elements []string, target Target) string {
	safe := make([]string, len(elements))
	for i, e := range elements {
		if safe[i] = SanitizeElement(e, target); safe[i] == "" {
			safe[i] = "_"
		}
	}
	return strings.Join(safe, "/")
}

func TestDuplicatesTable(t *testing.T) {
	type set struct {
		paths, want []string
		files       []File
	}
	sets := map[string]*set{}
	for _, r := range table(t, "duplicate_names.tsv", 5) {
		s := sets[r[0]]
		if s == nil {
			s = &set{}
			sets[r[0]] = s
		}
		s.paths = append(s.paths, r[1])
		s.want = append(s.want, r[4])
		s.files = append(s.files, File{Length: number(t, r[2]), Pad: r[3] == "pad"})
	}
	if len(sets) != 11 {
		t.Fatalf("%d cases", len(sets))
	}
	for name, s := range sets {
		got := append([]string(nil), s.paths...)
		ResolveDuplicates(got, s.files, Darwin)
		for i := range got {
			if got[i] != s.want[i] {
				t.Errorf("case %s: %q -> %q, want %q", name, s.paths[i], got[i], s.want[i])
			}
		}
	}
}
