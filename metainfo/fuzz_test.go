package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/bencode"
)

// allocated returns the bytes that f allocates. All that it ever keeps alive is part of that, so that the bound on live
// memory holds wherever it holds for this. The minimum of three runs leaves out what the runtime does meanwhile.
func allocated(f func()) uint64 {
	best := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		best = min(best, after.TotalAlloc-before.TotalAlloc)
	}
	return best
}

func checkMemory(t *testing.T, parse func([]byte) (*MetaInfo, error), data []byte) {
	t.Helper()
	if got, bound := allocated(func() { _, _ = parse(data) }), uint64(32*len(data)+64<<10); got > bound {
		t.Errorf("%d bytes allocated for an input of %d, bound %d", got, len(data), bound)
	}
}

// bombs are the inputs that cost most memory a byte.
func bombs() map[string]string {
	const n = 20_000
	head := "d4:infod"
	tail := "4:name1:n12:piece lengthi16384e6:pieces20:" + strings.Repeat("h", 20) + "ee"
	v2tail := "12:meta versioni2e4:name1:n12:piece lengthi16384eee"
	leaf := "d0:d6:lengthi0eee"
	var wide strings.Builder
	for i := range n {
		fmt.Fprintf(&wide, "6:%06d%s", i, leaf)
	}
	deep := strings.Repeat("1:dd", 90) + wide.String() + strings.Repeat("e", 90)
	long := "200:" + strings.Repeat("x", 200) + "d" + wide.String() + "e"
	var tiers strings.Builder
	for i := range n {
		fmt.Fprintf(&tiers, "l3:%03de", i%1000)
	}
	return map[string]string{
		"many files":       head + "5:filesl" + strings.Repeat("d6:lengthi1e4:pathl1:aee", n) + "e" + tail,
		"many elements":    head + "5:filesld6:lengthi1e4:pathl" + strings.Repeat("0:", n) + "eee" + tail,
		"many links":       head + "5:filesl" + strings.Repeat("d4:attr1:l4:pathl0:e12:symlink pathl0:eee", n) + "e" + tail,
		"dirty names":      head + "5:filesl" + strings.Repeat("d6:lengthi1e4:pathl2:\x01\x80ee", n) + "e" + tail,
		"wide tree":        head + "9:file treed" + wide.String() + "e" + v2tail,
		"deep tree":        head + "9:file treed" + deep + "e" + v2tail,
		"long directory":   head + "9:file treed" + long + "e" + v2tail,
		"many tiers":       "d13:announce-listl" + tiers.String() + "e4:infod6:lengthi1e" + tail,
		"many empty seeds": "d9:httpseedsl" + strings.Repeat("0:", n) + "e4:infod6:lengthi1e" + tail,
	}
}

func TestMemoryBound(t *testing.T) {
	for name, in := range bombs() {
		t.Run(name, func(t *testing.T) { checkMemory(t, Parse, []byte(in)) })
	}
}

// What passes Parse must not unfold later either: paths are bounded by the input.
func TestSafePathsAreBounded(t *testing.T) {
	for name, in := range bombs() {
		m, err := Parse([]byte(in))
		if err != nil {
			continue
		}
		total := 0
		for _, p := range m.SafePaths(Windows) {
			total += len(p)
		}
		if total > 32*len(in) {
			t.Errorf("%s: paths of %d bytes from %d", name, total, len(in))
		}
	}
}

// torrentSeeds are small torrents of all kinds, and those of the shared ones that are there.
func torrentSeeds() [][]byte {
	var seeds [][]byte
	for _, in := range []string{
		"d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
		"d4:infod5:filesld6:lengthi1e4:pathl2:..1:aeee4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
		"d4:infod9:file treed1:ad0:d6:lengthi1e11:pieces root32:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaeee" +
			"12:meta versioni2e4:name1:a12:piece lengthi16384eee",
	} {
		seeds = append(seeds, []byte(in))
	}
	for _, name := range []string{"v2_only", "empty-files-2", "sample", "symlink2", "dht_nodes", "v2_invalid_filename2"} {
		root := os.Getenv("EDDY_SHARED")
		if root == "" {
			root = filepath.Join("..", "..", "shared")
		}
		if raw, err := os.ReadFile(filepath.Join(root, "data", "torrents", name+".torrent")); err == nil {
			seeds = append(seeds, raw)
		}
	}
	return seeds
}

func FuzzParse(f *testing.F) {
	for _, in := range torrentSeeds() {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkMemory(t, Parse, data)
		orig := bytes.Clone(data)
		m, err := Parse(data)
		if !bytes.Equal(orig, data) {
			t.Fatal("input modified")
		}
		if err != nil {
			return
		}
		checkSafe(t, &m.Info)
		checkBytes(t, m)
		checkInfoAlone(t, m)
		checkGeometry(t, m)
		if link, err := ParseMagnet(m.Magnet()); err != nil || link.ID != m.ID {
			t.Fatalf("magnet %q: %v", m.Magnet(), err)
		}
	})
}

// FuzzParseInfo reads info dictionaries alone, as peers send them (BEP 9).
func FuzzParseInfo(f *testing.F) {
	seeds := 0
	for _, in := range torrentSeeds() {
		if m, err := Parse(in); err == nil {
			f.Add(m.InfoBytes)
			seeds++
		}
	}
	if seeds < 3 {
		f.Fatalf("only %d torrents have an info dictionary", seeds)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkMemory(t, ParseInfo, raw)
		orig := bytes.Clone(raw)
		alone, err := ParseInfo(raw)
		if !bytes.Equal(orig, raw) {
			t.Fatal("input modified")
		}
		if err == nil {
			checkSafe(t, &alone.Info)
			checkGeometry(t, alone)
		}
		// The other way round, so that neither takes what the other refuses. A torrent is a level deeper.
		whole, wholeErr := Parse(fmt.Appendf(nil, "d4:info%se", raw))
		if wholeErr == nil && bytes.Equal(whole.InfoBytes, raw) {
			checkInfoAlone(t, whole)
		} else if err == nil && !beyondLimits(wholeErr) {
			t.Fatalf("%q is a valid info dictionary, but not in a torrent: %v", raw, wholeErr)
		}
	})
}

// beyondLimits reports whether an input was refused for its depth or size alone.
func beyondLimits(err error) bool {
	var syntax *bencode.SyntaxError
	return errors.As(err, &syntax) && (syntax.Reason == bencode.DepthExceeded || syntax.Reason == bencode.LimitExceeded)
}

// checkInfoAlone checks that the info dictionary alone, as peers send it (BEP 9), gives what the whole torrent gave.
func checkInfoAlone(t *testing.T, m *MetaInfo) {
	t.Helper()
	alone, err := ParseInfo(m.InfoBytes)
	if err != nil {
		t.Fatalf("the info dictionary alone: %v", err)
	}
	if alone.ID != m.ID || !bytes.Equal(alone.InfoBytes, m.InfoBytes) || !reflect.DeepEqual(alone.Info, m.Info) {
		t.Fatalf("the info dictionary alone gives\n%+v\nwant\n%+v", alone.Info, m.Info)
	}
}

// checkGeometry checks that nothing later can run out of range.
func checkGeometry(t *testing.T, m *MetaInfo) {
	t.Helper()
	l := m.Layout()
	n := l.NumPieces()
	if n < 1 || n > MaxPieces || l.Size < m.Length() || m.HasV1() && len(m.Pieces) != 20*n {
		t.Fatalf("%d pieces, size %d, length %d, %d bytes of hashes", n, l.Size, m.Length(), len(m.Pieces))
	}
	var end int64
	for _, f := range m.Files {
		if f.Length < 0 || f.Offset < end || m.HasV1() && f.Offset != end || len(f.Path) == 0 {
			t.Fatalf("file %+v after %d", f, end)
		}
		if m.HasV2() && f.Length > 0 && !f.Pad && f.Offset%m.PieceLength != 0 {
			t.Fatalf("file %+v is not at a piece boundary", f)
		}
		end = f.Offset + f.Length
	}
}

func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"..", "/etc/passwd", "a\x00b", "con.txt", "a\u202egpj.exe", "\\\\host", "x...", strings.Repeat("é", 200) + ".tar.gz", "\xff\xfe", ""} {
		f.Add(s, "b", uint8(0))
		f.Add(s, "..", uint8(1))
	}
	f.Fuzz(func(t *testing.T, a, b string, target uint8) {
		checkSanitized(t, []string{a, b}, Target(target%3))
	})
}

func TestSanitizeProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		raw := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[./\\ :a-c\x00-\x03]*`)), 0, 6).Draw(rt, "path")
		checkSanitized(rt, raw, Target(rapid.IntRange(0, 2).Draw(rt, "target")))
	})
}

type failer interface{ Fatalf(string, ...any) }

func checkSanitized(t failer, raw []string, target Target) {
	p := Sanitize(raw, target)
	if p == "" {
		return
	}
	elements := strings.Split(p, "/")
	if len(elements) > len(raw) {
		t.Fatalf("%q has more elements than %q", p, raw)
	}
	for _, e := range elements {
		if e == "" || e == "." || e == ".." || len(e) > 255 || !utf8.ValidString(e) {
			t.Fatalf("element %q of %q", e, p)
		}
		for _, r := range e {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\\' && target == Windows {
				t.Fatalf("character %U in %q", r, p)
			}
		}
		if target == Windows && (strings.ContainsAny(e, `<>:"|?*`) || strings.TrimRight(e, ". ") != e || reserved(e)) {
			t.Fatalf("%q is not legal on Windows", e)
		}
	}
	if again := Sanitize(elements, target); again != p {
		t.Fatalf("%q is not stable: %q", p, again)
	}
}

func FuzzParseMagnet(f *testing.F) {
	f.Add("magnet:?xt=urn:btih:" + strings.Repeat("ab", 20) + "&dn=a+b&tr=http%3A%2F%2Fx&so=0,2-4&x.pe=[::1]:1&xl=5")
	f.Add("magnet:?xt=urn:btmh:1220" + strings.Repeat("ab", 32))
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMagnet(s)
		if err != nil {
			return
		}
		again, err := ParseMagnet(m.String())
		if err != nil || again.String() != m.String() || again.ID != m.ID {
			t.Fatalf("%q -> %q -> %q, %v", s, m, again, err)
		}
	})
}
