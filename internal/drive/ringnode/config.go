package ringnode

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Config describes a Node. Data is needed; Join and Token too, to become a member of a ring that exists. Everything else has a useful
// zero value.
type Config struct {
	Data      string   // directory of identity and records, made if absent; one node uses it at a time
	Listen    string   // IP:PORT or :PORT, UDP; "" = ":0"
	Advertise string   // IP or IP:PORT told to others; "" = the IP of Listen, or the one that reaches them
	Join      []string // HOST:PORT of members; none: the first host of a new ring, or a host that was a member before
	Token     string   // of the ring; not needed by who was a member before

	// Where HTTP is served beside the ring's own connections: HOST:PORT, TCP. "" = not. Who asks there shows a token of the ring or
	// Secret, if that is not empty.
	API    string
	Secret string
	// Handler makes what serves HTTP, on API and on connections that Dial made: it finds what a request may do by AccessOf. nil = neither is
	// served. It is called by New, with the node.
	Handler func(*Node) (http.Handler, error)

	// Of a new ring; who joins takes what the ring has, and fails if these say otherwise. 0 = the default.
	Replicas int // R, hosts that hold a record: 3
	Write    int // W, of these, that have it on disk before a write is acknowledged: min(2, R)
	Read     int // Q, of these, that answer a read: min(2, R)
	Bits     int // width of positions: 160. Fewer are for teaching, and allow ID

	// Of this host.
	Successors int           // r, hosts in a successor list: 8
	Vnodes     int           // positions of a new host: 16, in a ring with fewer bits 1
	ID         *uint64       // its one position, in a ring with fewer than 160 bits
	Routing    ring.Routing  // of lookups that the cache does not answer
	NoCache    bool          // keep no membership: lookups go by fingers
	MaxBytes   int64         // of records; 0 = 8 GiB
	HostRate   int64         // bytes/s that one other member, or one client, may send us; 0 = 128 MiB/s
	Timeout    time.Duration // of an operation whose context has no earlier end; 0 = 10 s
	Absence    time.Duration // after which the next host takes the place of one that is away; 0 = 30 s
	TokenTime  time.Duration // for which a token is good unless told otherwise; 0 = 90 days

	Log *slog.Logger // nil = none

	tune func(*ring.Config, *replica.Config) // tests shorten the periods
	liar *Liar                               // of the test of a rogue member; nil in all that we ship
}

const (
	defaultTimeout   = 10 * time.Second
	defaultTokenTime = 90 * 24 * time.Hour
	defaultHostRate  = 128 << 20
	defaultMaxBytes  = 8 << 30
	defaultVnodes    = 16
	// minSpace is what must be free on the disk for a write to be taken.
	minSpace = 64 << 20
)

// validate fills in the defaults.
func (c *Config) validate() error {
	if c.Data == "" {
		return errors.New("ringnode: Config.Data is missing")
	}
	if c.Listen == "" {
		c.Listen = ":0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		p *time.Duration
		v time.Duration
	}{{&c.Timeout, defaultTimeout}, {&c.TokenTime, defaultTokenTime}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if c.HostRate == 0 {
		c.HostRate = defaultHostRate
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	switch {
	case c.Replicas < 0 || c.Replicas > 16 || c.Write < 0 || c.Read < 0:
		return errors.New("ringnode: use 1 to 16 replicas, and at most as many to write and to read")
	case c.Bits < 0 || c.Bits > ringwire.MaxBits:
		return fmt.Errorf("ringnode: a ring of %d bits: use 1 to %d", c.Bits, ringwire.MaxBits)
	case c.Vnodes < 0 || c.Vnodes > ringwire.MaxPositions:
		return fmt.Errorf("ringnode: %d virtual nodes: use 1 to %d", c.Vnodes, ringwire.MaxPositions)
	case c.ID != nil && c.Vnodes > 1:
		return errors.New("ringnode: a host whose ID is given has one position")
	case c.Timeout < 0 || c.HostRate < 0 || c.MaxBytes < 0 || c.Absence < 0 || c.TokenTime < 0 || c.Successors < 0:
		return errors.New("ringnode: negative limit")
	}
	return nil
}

// parameters are those of a new ring.
func (c *Config) parameters() (ringwire.Parameters, error) {
	p := ringwire.Parameters{Bits: c.Bits, Replicas: c.Replicas, Write: c.Write, Read: c.Read}
	if p.Bits == 0 {
		p.Bits = ringwire.MaxBits
	}
	if p.Replicas == 0 {
		p.Replicas = replica.DefaultReplicas
	}
	if p.Write == 0 {
		p.Write = min(replica.DefaultQuorum, p.Replicas)
	}
	if p.Read == 0 {
		p.Read = min(replica.DefaultQuorum, p.Replicas)
	}
	if p.Write > p.Replicas || p.Read > p.Replicas {
		return p, fmt.Errorf("%d replicas cannot have write %d, read %d: use 1 to %d", p.Replicas, p.Write, p.Read, p.Replicas)
	}
	return p, nil
}

// agrees reports an error if the ring is not what the configuration wants.
func (c *Config) agrees(p ringwire.Parameters) error {
	for _, x := range []struct {
		name      string
		want, has int
	}{{"bits", c.Bits, p.Bits}, {"replicas", c.Replicas, p.Replicas}, {"write", c.Write, p.Write}, {"read", c.Read, p.Read}} {
		if x.want != 0 && x.want != x.has {
			return fmt.Errorf("the ring has %s %d, not %d: its first node decided; leave it out", x.name, x.has, x.want)
		}
	}
	if c.ID != nil && p.Bits == ringwire.MaxBits {
		return errors.New("an ID can be given only in a ring that was made with fewer bits")
	}
	return nil
}

// positions is what a new host wishes to be.
func (c *Config) positions(p ringwire.Parameters) (count int, explicit []ringwire.ID, err error) {
	if c.ID != nil {
		id, err := ringwire.Space{Bits: p.Bits}.ID(*c.ID)
		return 1, []ringwire.ID{id}, err
	}
	switch {
	case c.Vnodes > 0:
		return c.Vnodes, nil, nil
	case p.Bits < ringwire.MaxBits:
		return 1, nil, nil
	}
	return defaultVnodes, nil, nil
}

// parseListen reads the address of Listen; no IP means all addresses.
func parseListen(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: want IP:PORT or :PORT", s)
	}
	if host == "" {
		host = "::"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: want IP:PORT or :PORT", s)
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), nil
}

// parseAdvertise reads Advertise, an IP or IP:PORT; the port 0 stands for that of Listen.
func parseAdvertise(s string) (netip.AddrPort, error) {
	if s == "" {
		return netip.AddrPort{}, nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), 0), nil
	}
	addr, err := netip.ParseAddrPort(s)
	if err != nil || addr.Addr().IsUnspecified() {
		return addr, fmt.Errorf("address to advertise %q: want IP or IP:PORT", s)
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), nil
}
