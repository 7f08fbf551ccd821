package tracker

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/roster"
)

// ServerConfig says what a Server listens on, whom it serves and within which limits. At least one of HTTP and UDP has to
// be set; every other field has a useful zero value.
type ServerConfig struct {
	// HTTP and UDP are the addresses to listen on, "host:port"; "" for not at all. An empty host is every address of IPv4
	// and IPv6; port 0 is any free one. A UDP port 0 beside HTTP means HTTP's port, so that one number serves both.
	HTTP, UDP string

	// MetricsAddr is where to serve metrics for Prometheus, at /metrics; "" for nowhere. Bind it to a private address.
	MetricsAddr string

	// IntervalLow and IntervalHigh bound the interval that peers are told, which grows with their swarm; MinInterval is the
	// shortest wait of peers that want more peers. Defaults: 27 and 33 minutes, a sixth of IntervalLow.
	IntervalLow, IntervalHigh, MinInterval time.Duration

	Allow func(hash [20]byte) bool // torrents to serve; nil for all. Called for every announce, concurrently.
	Deny  func(hash [20]byte) bool // torrents not to serve, whatever Allow says; nil for none

	// Announced, if set, hears of every announce that is answered, but for those of Static: how many bytes the peer lacks, and
	// whether it says that it has just become complete (BEP 3). A peer may say so several times, over HTTP and UDP, or never,
	// as aria2, which only stops with nothing left. The id is only what the peer says. Called concurrently; must not block.
	Announced func(hash, peerID [20]byte, left int64, completed bool)

	// Static are seeders that every torrent has, besides those that announce: who shares a file lists itself so. They are
	// told as they stand here. An announce from one of them is answered but not listed a second time.
	Static []netip.AddrPort

	// Host is the address, or one of each family, by which others reach this machine. Announces from loopback are listed
	// under it, since 127.0.0.1 means nobody to the others; so are those from any address of this machine with the port of
	// a Static peer. Empty, or loopback: announces are listed as they come.
	Host []netip.Addr

	Fallback http.Handler // serves HTTP requests other than /announce, /scrape and /stats; nil: 404

	// Redis is the URL of a Redis (6.2 or later) or Valkey that keeps the peers, so that several servers serve the same swarms:
	// HOST:PORT, redis://, rediss:// (TLS) or unix://; see CheckRedis. Limits hold for all servers together. "": in memory.
	Redis string

	MaxPeers       int // listed in all; default 10 million
	MaxPrefixPeers int // listed of one public /24 or /64 in one swarm; default 1000
	MaxConns       int // HTTP connections open at once; default 8192
	MaxPrefixConns int // of which from one /24 or /64; default 1024

	Logger *slog.Logger // nil: silence
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.MaxPeers == 0 {
		c.MaxPeers = 10_000_000
	}
	if c.MaxConns == 0 {
		c.MaxConns = 8192
	}
	if c.MaxPrefixConns == 0 {
		c.MaxPrefixConns = 1024
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Fallback == nil {
		c.Fallback = http.NotFoundHandler()
	}
	return c
}

func (c *ServerConfig) validate() error {
	if c.HTTP == "" && c.UDP == "" {
		return errors.New("tracker: neither an HTTP nor a UDP address to listen on")
	}
	for _, a := range []string{c.HTTP, c.UDP, c.MetricsAddr} {
		if a == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("tracker: listen address %q: %w", a, err)
		}
	}
	if c.MaxPeers < 0 || c.MaxPrefixPeers < 0 || c.MaxConns < 0 || c.MaxPrefixConns < 0 {
		return errors.New("tracker: a limit is negative")
	}
	for _, p := range c.Static {
		if !p.IsValid() || p.Port() == 0 || p.Addr().IsUnspecified() {
			return fmt.Errorf("tracker: nobody can connect to the static peer %v", p)
		}
	}
	for _, h := range c.Host {
		if !h.IsValid() || h.IsUnspecified() || h.IsMulticast() {
			return fmt.Errorf("tracker: nobody can connect to the host %v", h)
		}
	}
	return nil
}

func (c *ServerConfig) roster() roster.Config {
	return roster.Config{
		IntervalLow: c.IntervalLow, IntervalHigh: c.IntervalHigh, MinInterval: c.MinInterval,
		MaxPeers: c.MaxPeers, MaxPrefixPeers: c.MaxPrefixPeers,
	}
}

// HashSet is a set of infohashes; its Has method fits ServerConfig.Allow and Deny.
type HashSet map[[20]byte]struct{}

// Has reports whether hash is in the set.
func (s HashSet) Has(hash [20]byte) bool {
	_, ok := s[hash]
	return ok
}

// ReadHashes reads a set of infohashes in hex, one a line. Empty lines and those that start with # are skipped, as is
// whatever follows a hash on its line. The 64 digits of a v2 hash are cut to the 40 that trackers know (BEP 52). Errors name the line.
func ReadHashes(r io.Reader) (HashSet, error) {
	set := HashSet{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		b, err := hex.DecodeString(fields[0])
		if err != nil || len(b) != 20 && len(b) != 32 {
			return nil, fmt.Errorf("line %d: %.70q is not an infohash of 40 or 64 hex digits", n, fields[0])
		}
		set[[20]byte(b)] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading infohashes: %w", err)
	}
	return set, nil
}
