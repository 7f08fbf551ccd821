package eddy_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/ring"
	"github.com/eddy-p2p/eddy/test/ring/conformance"
)

// "torrent peers are sets": each peer finds the others and not itself; what anybody wrote that is no address is passed over.
func TestRingPeers(t *testing.T) {
	ctx := t.Context()
	memory := &conformance.Memory{}
	hash := [20]byte{0xab}
	key := "peers:ab" + strings.Repeat("00", 19)
	alice := &eddy.RingPeers{Ring: memory, Host: netip.MustParseAddr("10.0.0.1")}
	bob := &eddy.RingPeers{Ring: memory, Host: netip.MustParseAddr("::ffff:10.0.0.2")}
	for _, junk := range []string{"", "hello", "10.0.0.9", "10.0.0.9:0", "0.0.0.0:1", "[::]:1", "10.0.0.9:99999",
		"127.0.0.1:22", "[::1]:22", "[::ffff:127.0.0.1]:22", "169.254.169.254:80", "[fe80::1]:80"} {
		if _, err := memory.Put(ctx, key, []byte(junk), ring.PutOptions{Set: true}); err != nil {
			t.Fatal(err)
		}
	}
	peers, again, err := alice.Announce(ctx, eddy.Announcement{InfoHash: hash, Port: 1000, Left: 5, Want: 50})
	if err != nil || len(peers) != 0 || again <= 0 {
		t.Errorf("alice, alone: %v, %v, %v", peers, again, err)
	}
	peers, _, err = bob.Announce(ctx, eddy.Announcement{InfoHash: hash, Port: 2000, Want: 50})
	if want := netip.MustParseAddrPort("10.0.0.1:1000"); err != nil || !slices.Equal(peers, []netip.AddrPort{want}) {
		t.Errorf("bob found %v, %v, want alice", peers, err)
	}
	// On one machine alone, its own addresses are those of peers, but never a link's.
	local := &eddy.RingPeers{Ring: memory, Host: netip.MustParseAddr("127.0.0.1")}
	peers, _, err = local.Announce(ctx, eddy.Announcement{InfoHash: hash, Port: 22, Want: 50})
	if err != nil || !slices.ContainsFunc(peers, func(p netip.AddrPort) bool { return p.Addr() == netip.IPv6Loopback() }) ||
		slices.ContainsFunc(peers, func(p netip.AddrPort) bool { return p.Addr().IsLinkLocalUnicast() }) {
		t.Errorf("on one machine: %v, %v", peers, err)
	}
	// A set that takes no more members still tells of those that it has.
	memory.Fail = func(operation string) error {
		if operation == "put" {
			return &ring.Error{Code: ring.TooLarge, Message: "full"}
		}
		return nil
	}
	if peers, _, err = alice.Announce(ctx, eddy.Announcement{InfoHash: hash, Port: 1000, Want: 50}); err != nil || len(peers) != 1 {
		t.Errorf("into a full set: %v, %v", peers, err)
	}
	if _, _, err = alice.Announce(ctx, eddy.Announcement{InfoHash: [20]byte{1}, Port: 1000, Want: 50}); err == nil {
		t.Error("that nobody can be found and nothing be told is no error")
	}
}

// However often a peer comes, refreshes its entry and goes, what it left in the ring is gone when its time is over: a set has room for 4,096
// versions, ended ones too, and one that ended before what it replaced would stay for 8 days.
func TestRingPeersLeaveNothing(t *testing.T) {
	var record *ringwire.Record
	var counter uint64
	memory := &recorder{put: func(key string, member []byte, o ring.PutOptions) {
		counter++
		sum := sha256.Sum256(member)
		v := ringwire.Version{Dot: ringwire.Dot{Counter: counter}, Set: true, Member: sum, Hash: sum, Value: member, TTL: o.TTL, Left: o.TTL}
		if record != nil {
			for _, old := range record.Versions {
				v.Context = v.Context.With(old.Dot)
				v.Linger = v.Linger || old.Linger || old.Left > v.TTL // version.go: "it overwrote something that might outlive it"
			}
		}
		record = ringwire.Merge(record, &ringwire.Record{Key: key, Versions: []ringwire.Version{v}})
	}}
	peer := &eddy.RingPeers{Ring: memory, Host: netip.MustParseAddr("10.0.0.1")}
	for range 10 {
		for _, leaving := range []bool{false, false, true} {
			if _, _, err := peer.Announce(t.Context(), eddy.Announcement{Port: 1000, Leaving: leaving}); err != nil {
				t.Fatal(err)
			}
			record = record.Age(time.Minute)
		}
	}
	if counter == 0 {
		t.Fatal("the peer was never told to the ring")
	}
	if left := record.Age(6 * time.Minute); left != nil {
		t.Errorf("%d versions are left when the entry's time is over", len(left.Versions))
	}
}

// recorder is told of each write.
type recorder struct {
	conformance.Memory
	put func(key string, member []byte, o ring.PutOptions)
}

func (r *recorder) Put(ctx context.Context, key string, value []byte, o ring.PutOptions) (*ring.Put, error) {
	r.put(key, value, o)
	return r.Memory.Put(ctx, key, value, o)
}

// torrentOf makes the metainfo of nothing but a name and so many hashes.
func torrentOf(t *testing.T, name string, pieces int) *metainfo.MetaInfo {
	t.Helper()
	const length = 16 << 10
	info := "d6:lengthi" + strconv.Itoa(pieces*length) + "e4:name" + strconv.Itoa(len(name)) + ":" + name + "12:piece lengthi" + strconv.Itoa(length) + "e6:pieces" +
		strconv.Itoa(20*pieces) + ":" + strings.Repeat("01234567890123456789", pieces) + "e"
	meta, err := metainfo.Parse([]byte("d4:info" + info + "e"))
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// "the ring holds name -> metainfo (the whole .torrent <= 1 MiB; larger refused)".
func TestPublishTorrent(t *testing.T) {
	ctx := t.Context()
	memory := &conformance.Memory{}
	one, two := torrentOf(t, "one", 3), torrentOf(t, "two", 4)
	if before, err := eddy.PublishTorrent(ctx, memory, "a name", one); before != "" || err != nil {
		t.Errorf("published: %q, %v", before, err)
	}
	if before, err := eddy.PublishTorrent(ctx, memory, "a name", one); before != "" || err != nil {
		t.Errorf("published again: %q, %v", before, err)
	}
	found, err := eddy.FindTorrents(ctx, memory, "a name")
	if err != nil || len(found) != 1 || found[0].ID != one.ID {
		t.Errorf("found %v, %v", found, err)
	}
	if before, err := eddy.PublishTorrent(ctx, memory, "a name", two); before != one.ID.String() || err != nil {
		t.Errorf("published another: %q, %v", before, err)
	}
	if _, err := eddy.PublishTorrent(ctx, memory, "large", torrentOf(t, "large", ring.MaxValue/20+1)); !errors.Is(err, eddy.ErrTorrentTooLarge) {
		t.Errorf("too large: %v", err)
	}
	memory.SetSiblings("torrent:both", one.Bytes(), []byte("junk"), two.Bytes())
	if found, err = eddy.FindTorrents(ctx, memory, "both"); err != nil || len(found) != 2 {
		t.Errorf("siblings: %v, %v", found, err)
	}
	memory.SetSiblings("torrent:junk", []byte("junk"))
	if found, err = eddy.FindTorrents(ctx, memory, "junk"); err == nil {
		t.Errorf("junk: %v", found)
	}
	var missing *ring.Error
	if _, err = eddy.FindTorrents(ctx, memory, "nothing"); !errors.As(err, &missing) || missing.Code != ring.NotFound {
		t.Errorf("nothing: %v", err)
	}
	for _, name := range []string{"", "a#b", "a\nb", "\xff", strings.Repeat("x", 513)} {
		if _, err := eddy.PublishTorrent(ctx, memory, name, one); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
}

// The address for others is that which leads to the node; through a node on this machine, the one that the node tells others.
func TestHostFor(t *testing.T) {
	host, err := eddy.HostFor(context.Background(), &conformance.Memory{}, "127.0.0.1:9")
	if err != nil || host != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%v, %v", host, err)
	}
}
