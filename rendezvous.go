package eddy

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/ring"
)

// A ring brings together who has a file and who wants it, without any tracker. Under the key torrent:NAME it holds a whole
// .torrent, under peers:INFOHASH the set of the addresses that take part, each for as long as it is refreshed.

const (
	torrentPrefix = "torrent:"
	peersPrefix   = "peers:"

	// A peer tells the ring every ringInterval that it is there. One that left, or died, is named for up to ringTTL. It doesn't say goodbye: an
	// entry that ends before the one that it replaces has to be remembered for 8 days, lest the old one come back, and a set has room for
	// 4,096 entries, ended ones too. What ends by itself, refreshed with the same time to live, leaves nothing.
	ringInterval = 2 * time.Minute
	ringTTL      = 3 * ringInterval

	maxTorrentName = 512 // bytes
)

// RingPeers is the ring as a PeerSource.
type RingPeers struct {
	Ring ring.Service
	Addr string     // of the node that is asked, for messages
	Host netip.Addr // where others reach this machine
}

// Name implements PeerSource.
func (r *RingPeers) Name() string { return "ring " + r.Addr }

// Announce implements PeerSource: it refreshes our entry and returns a sample of the others. That our entry cannot be written
// (the set may be full) does not matter while others are found. Of a peer that leaves it says nothing: its entry ends by itself.
func (r *RingPeers) Announce(ctx context.Context, a Announcement) ([]netip.AddrPort, time.Duration, error) {
	if a.Leaving {
		return nil, ringInterval, nil
	}
	key := peersPrefix + hex.EncodeToString(a.InfoHash[:])
	self := netip.AddrPortFrom(r.Host.Unmap(), a.Port)
	_, err := r.Ring.Put(ctx, key, []byte(self.String()), ring.PutOptions{Set: true, TTL: ringTTL})
	if a.Want == 0 {
		return nil, ringInterval, err
	}
	got, getErr := r.Ring.Get(ctx, key, ring.GetOptions{Sample: a.Want})
	if getErr != nil {
		return nil, 0, cmp.Or(err, getErr)
	}
	var peers []netip.AddrPort
	for _, member := range got.Members {
		// Anybody in the ring may have written it: what is no address is passed over, and what no peer elsewhere has.
		if p, perr := netip.ParseAddrPort(string(member)); perr == nil && p != self && p.Port() != 0 && r.mayBePeer(p.Addr()) {
			peers = append(peers, p)
		}
	}
	if len(peers) == 0 && err != nil {
		return nil, 0, err
	}
	return peers, ringInterval, nil
}

// mayBePeer refuses addresses that would have us contact this machine, or a link's services, at the word of others (trust.md, promise 9). This machine's are
// right where that is how we are reached ourselves.
func (r *RingPeers) mayBePeer(ip netip.Addr) bool {
	scope := netx.ScopeOf(ip)
	return scope > netx.Forbidden && scope >= min(netx.ScopeOf(r.Host), netx.Private)
}

// HostFor returns the address under which this machine is best reached by the members of a ring: that which leads to the node
// at addr; if the node is on this machine, the one that it tells others.
func HostFor(ctx context.Context, r ring.Service, addr string) (netip.Addr, error) {
	addr = strings.TrimSuffix(strings.TrimPrefix(addr, "http://"), "/")
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", addr) // sends nothing, but chooses a source
	if err != nil {
		return netip.Addr{}, fmt.Errorf("finding our address towards %s: %w", addr, err)
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("finding our address towards %s: %w", addr, err)
	}
	if !local.Addr().IsLoopback() {
		return local.Addr().Unmap().WithZone(""), nil
	}
	status, err := r.Status(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	if p, err := netip.ParseAddrPort(status.Addr); err == nil {
		return p.Addr().Unmap(), nil
	}
	return local.Addr(), nil
}

// ErrTorrentTooLarge is that the .torrent is too large to be held by a ring.
var ErrTorrentTooLarge = errors.New("the .torrent is larger than 1 MiB, which is all that a ring holds under a name")

// CheckTorrentName refuses, for PublishTorrent and FindTorrents, names that could not be given on a command line as ring:NAME#btih=HEX.
func CheckTorrentName(name string) error {
	switch {
	case name == "" || len(name) > maxTorrentName:
		return fmt.Errorf("a name has 1 to %d bytes, this one has %d", maxTorrentName, len(name))
	case strings.Contains(name, "#") || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("a name is text without #, %q is none", name)
	}
	return nil
}

// PublishTorrent puts a torrent under a name into a ring. before is the infohash of another torrent that had the name until now, if
// one had.
func PublishTorrent(ctx context.Context, r ring.Service, name string, meta *metainfo.MetaInfo) (before string, err error) {
	if err := CheckTorrentName(name); err != nil {
		return "", err
	}
	text := meta.Bytes()
	if len(text) > ring.MaxValue {
		return "", ErrTorrentTooLarge
	}
	there, version, err := torrentsOf(ctx, r, name)
	if err != nil {
		return "", err
	}
	for _, t := range there {
		if t.ID != meta.ID {
			before = t.ID.String()
		}
	}
	_, err = r.Put(ctx, torrentPrefix+name, text, ring.PutOptions{IfVersion: version})
	return before, err
}

// FindTorrents returns the torrents that a ring holds under a name: more than one, if several were published at the same time.
func FindTorrents(ctx context.Context, r ring.Service, name string) ([]*metainfo.MetaInfo, error) {
	if err := CheckTorrentName(name); err != nil {
		return nil, err
	}
	found, version, err := torrentsOf(ctx, r, name)
	switch {
	case err != nil:
		return nil, err
	case version == ring.None:
		return nil, &ring.Error{Code: ring.NotFound, Message: fmt.Sprintf("the ring knows no torrent %q", name)}
	case len(found) == 0:
		return nil, fmt.Errorf("what the ring holds under the name %q is no torrent", name)
	}
	return found, nil
}

// torrentsOf returns the torrents under a name and the version of the key, ring.None where it does not exist.
func torrentsOf(ctx context.Context, r ring.Service, name string) (found []*metainfo.MetaInfo, version string, err error) {
	got, err := r.Get(ctx, torrentPrefix+name, ring.GetOptions{Siblings: true})
	var known *ring.Error
	if errors.As(err, &known) && known.Code == ring.NotFound {
		return nil, ring.None, nil
	}
	if err != nil {
		return nil, "", err
	}
	values := got.Siblings
	if got.Value != nil {
		values = [][]byte{got.Value}
	}
	for _, v := range values {
		if meta, err := metainfo.Parse(v); err == nil { // anybody in the ring may have written something else
			found = append(found, meta)
		}
	}
	return found, got.Version, nil
}
