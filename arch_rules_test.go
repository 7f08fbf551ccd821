package eddy_test

import "strings"

// A row of the house's table (docs: design, "Floors"): what the packages under one directory may import and must not do.
// Only direct imports count: that a floor does not reach further by another's hands is that other floor's row.
type row struct {
	dir  string   // directory from the module root; "/..." matches everything below as well
	ours []string // our own packages that it may import, in the same notation
	// banned standard packages, in the same notation; allowed lists the exceptions.
	banned, allowed []string
	modules         bool     // any module of deps.txt may be imported
	only            []string // with modules false: the modules that may be imported all the same
	pure            bool     // no goroutines, channels, clocks or global randomness, no unordered map ranges
	noGo            bool     // no goroutines
	laxTests        bool     // tests may import any of our packages below app
	calm            bool     // nothing runs beside anything else, in tests either: make test spares it the race detector
}

// Sockets, files, clocks and logs: what pure code has no hands for. net/netip is values only; so is net/url, which the
// codecs of trackers' query strings need.
var (
	impure  = []string{"os/...", "net/...", "sync/...", "context", "log/...", "syscall", "io/fs", "crypto/rand", "unsafe", "runtime/..."}
	noFiles = []string{"os/...", "net/...", "syscall", "log/..."}
	values  = []string{"net/netip", "net/url"}
)

// table is read top to bottom; the first row whose dir matches is the one that counts, so narrower rows stand first.
var table = []row{
	{dir: "bencode", banned: impure, calm: true},
	{dir: "metainfo", ours: []string{"bencode"}, banned: []string{"os/...", "net/...", "syscall", "log/...", "io/fs"},
		allowed: values, only: []string{"golang.org/x/text"}, noGo: true, calm: true},
	{dir: "storage/storagetest", ours: []string{"storage", "metainfo"}, banned: []string{"net/...", "log/..."}},
	{dir: "storage", ours: []string{"metainfo"}, banned: []string{"net/..."}, only: []string{"golang.org/x/sys"}, laxTests: true},

	{dir: "internal/format/...", ours: []string{"bencode", "metainfo", "internal/format/..."},
		banned: impure, allowed: values, pure: true, calm: true},
	{dir: "internal/core/...", ours: []string{"bencode", "metainfo", "internal/format/...", "internal/core/..."},
		banned: impure, allowed: []string{"net/netip"}, pure: true, calm: true},

	{dir: "internal/drive/engine", ours: []string{"metainfo", "storage", "internal/format/...", "internal/core/...",
		"internal/drive/..."}, modules: true, laxTests: true},
	{dir: "internal/drive/...", ours: []string{"metainfo", "storage", "internal/format/...", "internal/core/...",
		"internal/drive/netx", "internal/drive/boltfile"}, modules: true, laxTests: true},
	{dir: "internal/sim", ours: belowSim, banned: noFiles, allowed: []string{"net/netip"}, modules: true, laxTests: true}, // sweeps run in parallel
	{dir: "internal/sim/...", ours: belowSim, banned: noFiles, allowed: []string{"net/netip"}, modules: true, laxTests: true, calm: true},
	{dir: "internal/theory/...", banned: noFiles, laxTests: true, calm: true},

	{dir: "ring", ours: []string{"internal/format/...", "internal/drive/ringnode", "internal/drive/ringhttp"}, modules: true, laxTests: true},

	{dir: ".", ours: []string{"ring", "bencode", "metainfo", "storage", "internal/format/...", "internal/core/...",
		"internal/drive/...", "internal/sim/...", "internal/theory/..."}, modules: true, laxTests: true},
	{dir: "internal/app/...", ours: []string{".", "bencode", "metainfo", "storage", "ring", "internal/drive/tracker",
		"internal/drive/kadnode", "internal/sim/...", "internal/theory/...", "internal/format/units",
		"internal/app/...", "web"},
		modules: true, laxTests: true},
	{dir: "cmd/...", ours: []string{".", "internal/app/..."}, modules: true, laxTests: true},
	{dir: "web", banned: []string{"os/...", "syscall"}, laxTests: true},
	{dir: "scripts/...", ours: []string{".", "metainfo", "internal/theory/..."}, laxTests: true},

	{dir: "test/...", ours: belowApp, modules: true, laxTests: true},
	{dir: "bench/...", ours: belowApp, modules: true, laxTests: true},
}

// belowSim is what simulations are made of.
var belowSim = []string{"metainfo", "internal/format/...", "internal/core/...", "internal/theory/...", "internal/sim/..."}

// belowApp is everything of ours that something other than cmd may import.
var belowApp = []string{".", "ring", "bencode", "metainfo", "storage", "storage/storagetest", "internal/format/...",
	"internal/core/...", "internal/drive/...", "internal/sim/...", "internal/theory/...", "test/...", "bench/..."}

// rowOf finds the row of a directory; false for a package that the table does not know.
func rowOf(dir string) (row, bool) {
	for _, r := range table {
		if matches(r.dir, dir) {
			return r, true
		}
	}
	return row{}, false
}

// matches reports whether a package or directory falls under pattern; "x/..." covers x and all below it.
func matches(pattern, name string) bool {
	if base, tree := strings.CutSuffix(pattern, "/..."); tree {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	return name == pattern
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// impureCalls are the functions of otherwise harmless packages that read a clock or a generator that nobody injected.
// A nil entry lists what stays allowed instead of what is banned.
var impureTime = map[string]bool{"Now": true, "Since": true, "Until": true, "After": true, "AfterFunc": true, "Sleep": true,
	"Tick": true, "NewTimer": true, "NewTicker": true, "Timer": true, "Ticker": true, "Local": true}

// seededRand lists what math/rand and math/rand/v2 offer without their global generator.
var seededRand = map[string]bool{"New": true, "NewSource": true, "NewPCG": true, "NewChaCha8": true, "NewZipf": true,
	"Rand": true, "Source": true, "Source64": true, "PCG": true, "ChaCha8": true, "Zipf": true}
