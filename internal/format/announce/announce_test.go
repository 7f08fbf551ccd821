package announce

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})
	aHash        = [20]byte{0, 1, '+', '%', ' ', '&', '=', 0xff, 'a', 'Z', '~', '/', '?', '#', 14, 15, 16, 17, 18, 19}
	anID         = [20]byte([]byte("-ED0100-0123456789ab"))
)

func drawRequest(t *rapid.T) Request {
	r := Request{
		Port:       uint16(rapid.IntRange(1, 65535).Draw(t, "port")),
		Uploaded:   rapid.Int64Range(0, math.MaxInt64).Draw(t, "uploaded"),
		Downloaded: rapid.Int64Range(0, math.MaxInt64).Draw(t, "downloaded"),
		Left:       rapid.Int64Range(0, math.MaxInt64).Draw(t, "left"),
		Event:      Event(rapid.IntRange(0, 3).Draw(t, "event")),
		NumWant:    rapid.IntRange(-1, 1000).Draw(t, "numwant"),
		Key:        rapid.Uint32().Draw(t, "key"),
	}
	copy(r.InfoHash[:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "hash"))
	copy(r.PeerID[:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "id"))
	return r
}

func TestQueryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRequest(t)
		want.TrackerID = rapid.StringN(0, 100, 300).Draw(t, "tracker id")
		want.Dictionaries = rapid.Bool().Draw(t, "dictionaries")
		want.IPv6 = netip.MustParseAddr("2001:db8::7")
		query := string(AppendQuery(nil, &want))
		got, err := ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, compareAddrs); d != "" {
			t.Fatal(d)
		}
		// An independent reader of query strings sees the same bytes.
		values, err := url.ParseQuery(query)
		if err != nil || values.Get("info_hash") != string(want.InfoHash[:]) || values.Get("peer_id") != string(want.PeerID[:]) {
			t.Fatalf("net/url reads %q differently: %v", query, err)
		}
	})
}

func TestUDPAnnounceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, urlData := drawRequest(t), rapid.StringN(0, 700, 2000).Draw(t, "url data")
		p := AppendUDPAnnounce(nil, 99, 7, &want, urlData)
		got, err := ParseUDPRequest(p)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.Announce, compareAddrs); d != "" {
			t.Fatal(d)
		}
		if got.ConnID != 99 || got.Tx != 7 || string(got.URLData) != urlData {
			t.Fatalf("got id %d, transaction %d, URL data %q", got.ConnID, got.Tx, got.URLData)
		}
	})
}

func TestQueryErrors(t *testing.T) {
	good := "info_hash=" + strings.Repeat("a", 20) + "&peer_id=" + strings.Repeat("b", 20) + "&port=1"
	if _, err := ParseQuery(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, query string }{
		{"empty", ""},
		{"short hash", strings.Replace(good, "aaaa", "aaa", 1)},
		{"long hash", strings.Replace(good, "aaaa", "aaaaa", 1)},
		{"very long hash", strings.Replace(good, "aaaa", strings.Repeat("a", 70), 1)},
		{"cut escape", strings.Replace(good, "aaaa", "%4", 1) + "&info_hash=%4"},
		{"bad escape", strings.Replace(good, "aaaa", "aaa%zz", 1)},
		{"no port", strings.TrimSuffix(good, "&port=1")},
		{"port 0", strings.Replace(good, "port=1", "port=0", 1)},
		{"port too large", strings.Replace(good, "port=1", "port=65536", 1)},
		{"port no number", strings.Replace(good, "port=1", "port=x", 1)},
		{"left no number", good + "&left=1x"},
		{"too long", good + "&x=" + strings.Repeat("y", maxQuery)},
		{"too many", good + strings.Repeat("&a=b", maxParameters)},
	} {
		if r, err := ParseQuery(c.query); err == nil {
			t.Errorf("%s: accepted as %+v", c.name, r)
		}
	}
}

func TestQueryTolerates(t *testing.T) {
	base := "info_hash=" + strings.Repeat("a", 20) + "&peer_id=" + strings.Repeat("b", 20) + "&port=1"
	for _, c := range []struct {
		add  string
		want func(*Request)
	}{
		{"", func(r *Request) {}},
		{"&left=0", func(r *Request) { r.Left = 0 }},
		{"&left=-5", func(r *Request) { r.Left = 0 }},
		{"&left=99999999999999999999", func(r *Request) {}},
		{"&event=paused", func(r *Request) {}},
		{"&event=stopped", func(r *Request) { r.Event = Stopped }},
		{"&numwant=x", func(r *Request) {}},
		{"&numwant=0", func(r *Request) { r.NumWant = 0 }},
		{"&key=deadBEEF", func(r *Request) { r.Key = 0xdeadbeef }},
		{"&compact=0", func(r *Request) { r.Dictionaries = true }},
		{"&ip=9.9.9.9", func(r *Request) {}},
		{"&ipv4=9.9.9.9", func(r *Request) { r.IPv4 = netip.MustParseAddr("9.9.9.9") }},
		{"&&x&=y&", func(r *Request) {}},
	} {
		want := Request{NumWant: DefaultNumWant, Left: math.MaxInt64, Port: 1}
		copy(want.InfoHash[:], strings.Repeat("a", 20))
		copy(want.PeerID[:], strings.Repeat("b", 20))
		c.want(&want)
		got, err := ParseQuery(base + c.add)
		if err != nil {
			t.Errorf("%s: %v", c.add, err)
		} else if d := cmp.Diff(want, got, compareAddrs); d != "" {
			t.Errorf("%s: %s", c.add, d)
		}
	}
}

func TestParsingQueriesAllocatesNothing(t *testing.T) {
	q := string(AppendQuery(nil, &Request{InfoHash: aHash, PeerID: anID, Port: 1, Event: Started}))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ParseQuery(q); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestURL(t *testing.T) {
	r := Request{InfoHash: aHash, PeerID: anID, Port: 6881, NumWant: 50, Key: 10, Event: Started, Left: 5}
	got := string(AppendURL(nil, "http://t.example/announce?passkey=1#top", &r))
	want := "http://t.example/announce?passkey=1&info_hash=%00%01%2B%25%20%26%3D%FFaZ~%2F%3F%23%0E%0F%10%11%12%13" +
		"&peer_id=-ED0100-0123456789ab&port=6881&uploaded=0&downloaded=0&left=5&compact=1&key=0000000a&numwant=50&event=started"
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestResponseRoundTrip(t *testing.T) {
	p4, p6 := netip.MustParseAddrPort("1.2.3.4:5"), netip.MustParseAddrPort("[2001:db8::1]:6")
	r := Response{
		Interval: 30 * time.Minute, MinInterval: 5 * time.Second, Complete: 1, Incomplete: 2, Downloaded: 3,
		Peers: []Peer{{Addr: p4}, {Addr: p6}}, ExternalIP: netip.MustParseAddr("9.8.7.6"), Warning: "slow", TrackerID: "x\x00y",
	}
	for _, dictionaries := range []bool{false, true} {
		body := AppendResponse(nil, &r, dictionaries)
		got, err := ParseResponse(body)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got, compareAddrs); d != "" {
			t.Errorf("dictionaries %v: %s\n%q", dictionaries, d, body)
		}
	}
	raw := r
	raw.Peers, raw.Compact4, raw.Compact6 = nil, AppendPeer(nil, p4), AppendPeer(nil, p6)
	if a, b := AppendResponse(nil, &r, false), AppendResponse(nil, &raw, false); !bytes.Equal(a, b) {
		t.Errorf("compact peers are written differently:\n%q\n%q", a, b)
	}
}

func TestUDPReplyRoundTrip(t *testing.T) {
	r := Response{Interval: time.Minute, Complete: 1, Incomplete: 2, Downloaded: -1}
	for i := range 300 {
		r.Peers = append(r.Peers,
			Peer{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 2, byte(i >> 8), byte(i)}), 1)},
			Peer{Addr: netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)}), 1)})
	}
	for _, v6 := range []bool{false, true} {
		p := AppendUDPAnnounceReply(nil, 3, &r, v6)
		if len(p) > MaxUDPReply {
			t.Errorf("a reply of %d bytes", len(p))
		}
		got, err := ParseUDPReply(p, v6)
		if err != nil || got.Action != ActionAnnounce || got.Tx != 3 {
			t.Fatal(got, err)
		}
		want := r
		want.Peers = nil
		for _, peer := range r.Peers {
			if peer.Addr.Addr().Is6() == v6 && len(want.Peers) < map[bool]int{false: MaxUDPPeers4, true: MaxUDPPeers6}[v6] {
				want.Peers = append(want.Peers, peer)
			}
		}
		if d := cmp.Diff(want, got.Announce, compareAddrs); d != "" {
			t.Error(d)
		}
	}
	rows := []Counts{{1, 2, 3}, {4, 5, 6}}
	if got, err := ParseUDPReply(AppendUDPScrapeReply(nil, 1, rows), false); err != nil || cmp.Diff(rows, got.Scrape) != "" {
		t.Error(got, err)
	}
	if got, err := ParseUDPReply(AppendUDPConnectReply(nil, 1, 77), false); err != nil || got.ConnID != 77 {
		t.Error(got, err)
	}
	if got, err := ParseUDPReply(AppendUDPError(nil, 1, "no"), false); err != nil || got.Action != ActionError || got.Error != "no" {
		t.Error(got, err)
	}
}

func TestScrapeRoundTrip(t *testing.T) {
	hashes := [][20]byte{{9}, aHash, {9}, {1}}
	rows := []Counts{{1, 2, 3}, {4, 5, 6}, {1, 2, 3}, {-1, -1, -1}}
	got, err := ParseScrape(AppendScrape(nil, hashes, rows), hashes)
	if err != nil || cmp.Diff(rows, got) != "" {
		t.Errorf("%v %v", got, err)
	}
	u := string(AppendScrapeURL(nil, "http://h/scrape?k=1", hashes))
	_, query, _ := strings.Cut(u, "?")
	back, err := ParseScrapeQuery(query)
	if err != nil || cmp.Diff(hashes, back) != "" {
		t.Errorf("%v %v", back, err)
	}
	if _, err := ParseScrapeQuery("x=y"); err == nil {
		t.Error("a scrape of everything was accepted")
	}
	var refused *RefusedError
	if _, err := ParseScrape([]byte("d14:failure reason2:noe"), hashes); !errors.As(err, &refused) || refused.Reason != "no" {
		t.Error(err)
	}
	many := make([][20]byte, 100)
	for i := range many {
		many[i][0] = byte(i)
	}
	p, err := ParseUDPRequest(AppendUDPScrape(nil, 5, 6, many))
	if err != nil || p.Hashes() != MaxScrape || p.Hash(3) != many[3] {
		t.Error(p.Hashes(), err)
	}
}

func TestConnectionIDs(t *testing.T) {
	var k ConnKey
	copy(k[:], "a key of twenty-four byte")
	a, b := netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("1.2.3.5")
	rapid.Check(t, func(t *rapid.T) {
		made := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "made"))
		later := time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "later"))
		id := k.ID(a, made)
		valid := k.Valid(id, a, made+later)
		if later <= 2*time.Minute && !valid {
			t.Fatal("refused within two minutes")
		}
		if later >= 3*time.Minute && valid {
			t.Fatal("accepted after three minutes")
		}
		if k.Valid(id, b, made) {
			t.Fatal("accepted from another address")
		}
	})
	if k.ID(netip.MustParseAddr("::ffff:1.2.3.4"), 0) != k.ID(a, 0) {
		t.Error("the mapped form of an address has another id")
	}
}

// The demand of trust.md: of a million random ids none is accepted.
func TestRandomConnectionIDs(t *testing.T) {
	k := ConnKey{1, 2, 3}
	a := netip.MustParseAddr("1.2.3.4")
	x := uint64(88172645463325252)
	for range 1_000_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		if k.Valid(x, a, time.Hour) {
			t.Fatalf("%x accepted", x)
		}
	}
}
