package metainfo

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const oneFile = "d6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae"

func TestParseRefuses(t *testing.T) {
	pieces := "6:pieces20:" + strings.Repeat("a", 20)
	for name, in := range map[string]string{
		"empty":            "",
		"not a dictionary": "le",
		"no info":          "d1:a0:e",
		"two infos":        "d4:info" + oneFile + "4:info" + oneFile + "e",
		"trailing data":    "d4:info" + oneFile + "exx",
		"three line ends":  "d4:info" + oneFile + "e\r\n\n",
		"duplicate pieces": "d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e" + pieces + pieces + "ee",
		"leading zero":     "d4:infod6:lengthi01e4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"minus zero":       "d4:infod6:lengthi-0e4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"huge length":      "d4:infod6:lengthi9223372036854775807e4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"sum overflows": "d4:infod5:filesl" + strings.Repeat("d6:lengthi4611686018427387904e4:pathl1:aee", 4) +
			"e4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"zero piece length": "d4:infod6:lengthi1e4:name1:a12:piece lengthi0e" + pieces + "ee",
		"huge piece length": "d4:infod6:lengthi1e4:name1:a12:piece lengthi1073741825e" + pieces + "ee",
		"meta version 3":    "d4:infod6:lengthi1e12:meta versioni3e4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"500 and more duplicates": "d4:infod5:filesl" + strings.Repeat("d6:lengthi1e4:pathl1:aee", 502) +
			"e4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"symlink with content": "d4:infod5:filesld4:attr1:l6:lengthi1e4:pathl1:aeee4:name1:a12:piece lengthi16384e" + pieces + "ee",
		"file and directory at once": "d4:infod9:file treed1:ad0:d6:lengthi0ee1:bd0:d6:lengthi0eeeee12:meta versioni2e" +
			"4:name1:n12:piece lengthi16384eee",
	} {
		if m, err := Parse([]byte(in)); err == nil {
			t.Errorf("%s: accepted as %+v", name, m)
		}
	}
}

func TestParseTolerates(t *testing.T) {
	for name, in := range map[string]string{
		"line end":     "d4:info" + oneFile + "e\r\n",
		"unsorted v1":  "d4:infod4:name1:a6:lengthi1e12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
		"500 the same": "d4:infod5:filesl" + strings.Repeat("d6:lengthi1e4:pathl1:aee", 501) + "e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
		"odd links":    "d8:announcei1e13:announce-listd1:a0:e7:comment4:abcd4:info" + oneFile + "5:nodesl0:e8:url-listi1ee",
	} {
		m, err := Parse([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSafe(t, &m.Info)
		checkBytes(t, m)
	}
}

func TestLinks(t *testing.T) {
	for file, want := range map[string]MetaInfo{
		"duplicate_web_seeds": {Announce: "udp://test.com/announce", URLList: []string{"http://foobar.com/foo", "http://foobar.com/foobar", "http://foobar.com/bar"}},
		"whitespace_url":      {Announce: "udp://test.com/announce"},
		"url_list":            {}, "url_list3": {}, "empty_httpseed": {},
		"httpseed":       {HTTPSeeds: []string{"http://foobar.com/"}},
		"url_seed_multi": {URLList: []string{"http://test.com/file"}},
		"dht_nodes":      {Nodes: []string{"127.0.0.1:6881", "192.168.1.1:6881"}},
	} {
		m, err := Parse(readTorrent(t, "torrents/"+file+".torrent"))
		if err != nil {
			t.Fatal(err)
		}
		got := MetaInfo{Announce: m.Announce, URLList: m.URLList, HTTPSeeds: m.HTTPSeeds, Nodes: m.Nodes}
		if d := cmp.Diff([]any{want.Announce, want.URLList, want.HTTPSeeds, want.Nodes},
			[]any{got.Announce, got.URLList, got.HTTPSeeds, got.Nodes}); d != "" {
			t.Errorf("%s: %s", file, d)
		}
	}
}

// BEP 12: "If the client is compatible with the multitracker specification, and if the announce-list key is present, the
// client will ignore the announce key and only use the URLs in announce-list."
func TestTrackers(t *testing.T) {
	m := MetaInfo{Announce: "http://a/"}
	if d := cmp.Diff([][]string{{"http://a/"}}, m.Trackers()); d != "" {
		t.Error(d)
	}
	m.AnnounceList = [][]string{{"http://b/", "http://c/"}, {"http://d/"}}
	if d := cmp.Diff(m.AnnounceList, m.Trackers()); d != "" {
		t.Error(d)
	}
}

func TestBytesKeepsUnknownKeysAndIdentity(t *testing.T) {
	in := "d8:announce9:http://x/8:encoding5:UTF-84:infod4:name1:a6:lengthi1e12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae7:websitel1:xee"
	m, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.Bytes()); got != in {
		t.Errorf("%q", got)
	}
	m.Announce = ""
	if got, want := string(m.Bytes()), strings.Replace(in, "8:announce9:http://x/", "", 1); got != want {
		t.Errorf("%q", got)
	}
}

func TestSafePathsOfHostileNames(t *testing.T) {
	for file, want := range map[string][]string{
		"absolute_filename":    {"temp/abcde", "temp/foobar"},
		"slash_path":           {"temp/bar"},
		"slash_path3":          {"temp....abc"},
		"empty_path_multi":     {"temp/abcde", "temp/_", "temp/_.1"},
		"invalid_name2":        {"b61560c2918f463768cd122b6d2fdd47b77bdb35/foo/bar.txt", "b61560c2918f463768cd122b6d2fdd47b77bdb35/foo/var.txt"},
		"invalid_filename":     {"est2/f", "est2/_"},
		"v2_invalid_filename2": {"test/_", "test/_.1", "test/stress_test2"},
	} {
		m, err := Parse(readTorrent(t, "torrents/"+file+".torrent"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, m.SafePaths(Posix)); d != "" {
			t.Errorf("%s: %s", file, d)
		}
	}
}

// On Posix "diff -r" after sharing a source tree must be empty: legal names stay.
func TestSanitizeKeepsLegalNamesOnPosix(t *testing.T) {
	for _, name := range []string{"dev-disk-by\\x2duuid.swap", "con", "a:b", "what?", "trailing. ", "...", "-rf", "~", "*", "ünïcödé", "日本語", ".git"} {
		if got := SanitizeElement(name, Posix); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestDuplicatesOnlyWhereTheTargetFolds(t *testing.T) {
	paths := func() []string { return []string{"d/Makefile", "d/makefile", "d/e\u0301", "d/\u00e9", "d/x", "d/x"} }
	for target, want := range map[Target][]string{
		Posix:   {"d/Makefile", "d/makefile", "d/e\u0301", "d/\u00e9", "d/x", "d/x.1"},
		Windows: {"d/Makefile", "d/makefile.1", "d/e\u0301", "d/\u00e9.1", "d/x", "d/x.1"},
	} {
		got := paths()
		ResolveDuplicates(got, make([]File, len(got)), target)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("target %d: %s", target, d)
		}
	}
}

func TestManyDuplicatesStayBounded(t *testing.T) {
	name := "d/" + strings.Repeat("é", 120) + ".txt"
	paths := make([]string, 20_000)
	for i := range paths {
		paths[i] = name
	}
	ResolveDuplicates(paths, make([]File, len(paths)), Windows)
	seen := map[string]bool{}
	for _, p := range paths {
		if seen[p] || len(p) > 257 {
			t.Fatalf("%q", p)
		}
		seen[p] = true
	}
}

func TestPieceLengthFor(t *testing.T) {
	for size, want := range map[int64]int64{
		0: 256 << 10, 1: 256 << 10, 1 << 30: 512 << 10, 4000 * 256 << 10: 256 << 10, 4000*256<<10 + 1: 512 << 10,
		100 << 30: 16 << 20, 1 << 50: 16 << 20,
	} {
		if got := PieceLengthFor(size); got != want {
			t.Errorf("PieceLengthFor(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestMagnet(t *testing.T) {
	v1 := strings.Repeat("ab", 20)
	for in, want := range map[string]string{
		"magnet:?xt=urn:btih:" + strings.ToUpper(v1):                 "magnet:?xt=urn:btih:" + v1,
		"MAGNET:?xt=urn:btih:VOV2XK5LVOV2XK5LVOV2XK5LVOV2XK5L":       "magnet:?xt=urn:btih:" + v1,
		"magnet:?dn=a+b%2Fc&xt.1=urn:btih:" + v1 + "&tr.1=http://x/": "magnet:?xt=urn:btih:" + v1 + "&dn=a+b%2Fc&tr=http%3A%2F%2Fx%2F",
		"magnet:?xt=urn:btih:" + v1 + "&so=0,2,6-8&x.pe=1.2.3.4:5&x.pe=bad&xl=7&ws=http://w/": "magnet:?xt=urn:btih:" + v1 +
			"&xl=7&ws=http%3A%2F%2Fw%2F&x.pe=1.2.3.4%3A5&so=0%2C2%2C6-8",
		"magnet:?xt=urn:btmh:1220" + strings.Repeat("cd", 32) + "&xt=urn:btih:" + v1: "magnet:?xt=urn:btih:" + v1 + "&xt=urn:btmh:1220" + strings.Repeat("cd", 32),
	} {
		m, err := ParseMagnet(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := m.String(); got != want && got != strings.ReplaceAll(want, "%2C", ",") {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
	for _, bad := range []string{"", "http://x", "magnet:?dn=x", "magnet:?xt=urn:btih:zz", "magnet:?xt=urn:btih:" + v1 + "&so=3-1",
		"magnet:?xt=urn:btmh:1114" + v1, "magnet:?xt=urn:btih:" + v1 + "&dn=%zz"} {
		if _, err := ParseMagnet(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// BEP 52: "The remaining leaf hashes beyond the end of the file required to construct upper layers of the merkle tree are
// set to zero", so that a file of one block has its hash for a root.
func TestMerkleRoots(t *testing.T) {
	block := make([]byte, BlockSize)
	h := sha256.Sum256(block)
	if got := BlocksRoot(block[:100], 0); got != sha256.Sum256(block[:100]) {
		t.Errorf("root of a short file %x", got)
	}
	if got, want := BlocksRoot(append(block, block...), 0), hashPair(h, h); got != want {
		t.Errorf("root of two blocks %x, want %x", got, want)
	}
	three := hashPair(hashPair(h, h), hashPair(h, [32]byte{}))
	if got := BlocksRoot(make([]byte, 3*BlockSize), 0); got != three {
		t.Errorf("root of three blocks %x, want %x", got, three)
	}
	if got, want := BlocksRoot(make([]byte, 3*BlockSize), 8*BlockSize), hashPair(three, PadHash(2)); got != want {
		t.Errorf("layer hash %x, want %x", got, want)
	}
}

func TestMerkleAgainstAPlainTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		base := rapid.IntRange(0, 5).Draw(t, "base")
		row := make([][32]byte, n)
		var layer []byte
		m := MerkleHasher{Height: base}
		for i := range row {
			row[i] = sha256.Sum256([]byte{byte(i)})
			layer = append(layer, row[i][:]...)
			m.Add(row[i])
		}
		for len(row)&(len(row)-1) != 0 {
			row = append(row, PadHash(base))
		}
		width := len(row)
		padded := append([][32]byte(nil), row...)
		for len(row) > 1 {
			next := make([][32]byte, len(row)/2)
			for i := range next {
				next[i] = hashPair(row[2*i], row[2*i+1])
			}
			row = next
		}
		root := m.Root(0)
		if root != row[0] {
			t.Fatalf("root of %d", n)
		}
		length := 1 << rapid.IntRange(0, 3).Draw(t, "length")
		if length > width {
			length = width
		}
		index := rapid.IntRange(0, (n-1)/length).Draw(t, "index") * length
		var hashes []byte
		for _, h := range padded[index : index+length] {
			hashes = append(hashes, h[:]...)
		}
		proof := MerkleProof(layer, base, index, length, 64)
		if !VerifyMerkle(root, hashes, base, index, proof) {
			t.Fatalf("proof of %d+%d of %d fails", index, length, n)
		}
		hashes[0] ^= 1
		if VerifyMerkle(root, hashes, base, index, proof) {
			t.Fatal("proof of a wrong hash holds")
		}
	})
}

func TestBuildRefuses(t *testing.T) {
	ok := Builder{Name: "n", PieceLength: 16384, Sources: []Source{{Length: 1}}, Pieces: make([]byte, 20)}
	if _, err := ok.Build(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b *Builder){
		"no name":    func(b *Builder) { b.Name = "" },
		"no files":   func(b *Builder) { b.Sources = nil },
		"two files":  func(b *Builder) { b.Sources = make([]Source, 2) },
		"odd pieces": func(b *Builder) { b.PieceLength = 20000 },
		"no hashes":  func(b *Builder) { b.Pieces = nil },
		"no root":    func(b *Builder) { b.Format = V2 },
		"no content": func(b *Builder) { b.Sources = []Source{{}}; b.Pieces = nil },
		"unsorted tree": func(b *Builder) {
			b.Format, b.MultiFile = V2, true
			b.Sources = []Source{{Path: []string{"b"}, Length: 1, Root: [32]byte{1}}, {Path: []string{"a"}}}
		},
	} {
		b := ok
		change(&b)
		if _, err := b.Build(); err == nil {
			t.Errorf("%s: built", name)
		}
	}
}
