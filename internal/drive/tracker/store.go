package tracker

import (
	"math/rand/v2"
	"net/netip"

	"github.com/eddy-p2p/eddy/internal/core/roster"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// store is where a server keeps its swarms. It is safe for concurrent use. What it is asked has been checked: addresses are
// proven, torrents are served.
type store interface {
	// announce enters a peer and returns its answer; see roster.Roster.Announce. With list false the peer is only answered.
	// An error means that the store cannot be reached for now; it comes within a few seconds at worst.
	announce(req *announce.Request, from netip.AddrPort, list bool, limit int, buf []byte) (roster.Reply, error)

	// scrape appends a row for each hash.
	scrape(rows []announce.Counts, hashes [][20]byte) ([]announce.Counts, error)

	// expire forgets what is stale and not asked for. The server calls it now and then.
	expire()

	// totals are the peers and swarms in all, as far as known.
	totals() (peers, swarms int64)

	// remote reports whether answers have to be waited for.
	remote() bool

	// close lets go of connections. Nothing is asked any more.
	close()
}

// newStore makes the store that cfg names; it does not connect yet.
func newStore(cfg *ServerConfig) (store, error) {
	if cfg.Redis == "" {
		return newRegistry(cfg.roster())
	}
	settled := cfg.roster()
	settled.Rand = rand.New(globalRand{})
	settled, err := settled.Settle()
	if err != nil {
		return nil, err
	}
	return newRedisStore(cfg.Redis, settled, cfg.Logger)
}

// globalRand is the runtime's source of randomness, which goroutines can share.
type globalRand struct{}

// Uint64 implements rand.Source.
func (globalRand) Uint64() uint64 { return rand.Uint64() }
