package announce

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseQuery(f *testing.F) {
	f.Add(string(AppendQuery(nil, &Request{InfoHash: aHash, PeerID: anID, Port: 6881, Event: Started, TrackerID: "t"})))
	f.Add("info_hash=%")
	f.Add("&&=&a=%zz+")
	f.Fuzz(func(t *testing.T, query string) {
		r, err := ParseQuery(query)
		if err != nil {
			return
		}
		// What was understood survives being written and read again.
		again, err := ParseQuery(string(AppendQuery(nil, &r)))
		if err != nil || cmp.Diff(r, again, compareAddrs) != "" {
			t.Fatalf("%v: %s", err, cmp.Diff(r, again, compareAddrs))
		}
	})
}

func FuzzParseScrapeQuery(f *testing.F) {
	f.Add("info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=%00bbbbbbbbbbbbbbbbbbb")
	f.Fuzz(func(t *testing.T, query string) {
		if h, err := ParseScrapeQuery(query); err == nil && (len(h) == 0 || len(h) > MaxScrape) {
			t.Fatalf("%d hashes", len(h))
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	full := Response{Interval: time.Minute, Peers: []Peer{{Addr: netip.MustParseAddrPort("1.2.3.4:5")}}, ExternalIP: netip.IPv6Loopback()}
	f.Add(AppendResponse(nil, &full, false))
	f.Add(AppendResponse(nil, &full, true))
	f.Add(AppendResponse(nil, &Response{Failure: "no", RetryIn: Never}, false))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseResponse(body)
		if err != nil {
			return
		}
		if len(r.Peers) > MaxPeers || len(r.Warning)+len(r.Failure)+len(r.TrackerID) > 3*maxText || r.Interval < 0 {
			t.Fatalf("beyond the limits: %d peers, interval %v", len(r.Peers), r.Interval)
		}
		for _, p := range r.Peers {
			if !usable(p.Addr) || p.Addr.Addr().Is4In6() {
				t.Fatalf("unusable peer %v", p.Addr)
			}
		}
		if again, err := ParseResponse(AppendResponse(nil, &r, false)); err != nil || len(again.Peers) != len(r.Peers) {
			t.Fatalf("%v: %d peers became %d", err, len(r.Peers), len(again.Peers))
		}
	})
}

func FuzzParseScrape(f *testing.F) {
	h := [][20]byte{aHash}
	f.Add(AppendScrape(nil, h, []Counts{{1, 2, 3}}))
	f.Add([]byte("d14:failure reason2:noe"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if rows, err := ParseScrape(body, h); err == nil && len(rows) != 1 {
			t.Fatalf("%d rows", len(rows))
		}
	})
}

func FuzzParseUDPRequest(f *testing.F) {
	f.Add(AppendUDPConnect(nil, 1))
	f.Add(AppendUDPAnnounce(nil, 1, 2, &Request{InfoHash: aHash, PeerID: anID, Port: 3}, "/announce"))
	f.Add(AppendUDPScrape(nil, 1, 2, [][20]byte{aHash, anID}))
	f.Fuzz(func(t *testing.T, p []byte) {
		before := bytes.Clone(p)
		r, err := ParseUDPRequest(p)
		if !bytes.Equal(before, p) {
			t.Fatal("the packet was changed")
		}
		if err != nil {
			return
		}
		for i := range r.Hashes() {
			r.Hash(i)
		}
		if r.Action == ActionAnnounce {
			again, err := ParseUDPRequest(AppendUDPAnnounce(nil, r.ConnID, r.Tx, &r.Announce, string(r.URLData)))
			if err != nil || cmp.Diff(r.Announce, again.Announce, compareAddrs) != "" || !bytes.Equal(r.URLData, again.URLData) {
				t.Fatalf("%v: %s", err, cmp.Diff(r.Announce, again.Announce, compareAddrs))
			}
		}
	})
}

func FuzzParseUDPReply(f *testing.F) {
	f.Add(AppendUDPConnectReply(nil, 1, 2), false)
	f.Add(AppendUDPAnnounceReply(nil, 1, &Response{Peers: []Peer{{Addr: netip.MustParseAddrPort("1.2.3.4:5")}}}, false), false)
	f.Add(AppendUDPScrapeReply(nil, 1, []Counts{{1, 2, 3}}), true)
	f.Add(AppendUDPError(nil, 1, "no"), true)
	f.Fuzz(func(t *testing.T, p []byte, v6 bool) {
		r, err := ParseUDPReply(p, v6)
		if err == nil && (len(r.Announce.Peers) > MaxPeers || len(r.Scrape) > MaxScrape || len(r.Error) > maxText) {
			t.Fatal("beyond the limits")
		}
	})
}
