package announce

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func mustParse(t *testing.T, body string) Response {
	t.Helper()
	r, err := ParseResponse([]byte(body))
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return r
}

// BEP 3: "peers ... maps to a list of dictionaries corresponding to peers, each of which contains the keys peer id, ip, and
// port". BEP 23: clients must support both forms.
func TestBEP3And23BothForms(t *testing.T) {
	want := netip.MustParseAddrPort("127.0.0.1:6881")
	list := mustParse(t, "d8:intervali1800e5:peersld2:ip9:127.0.0.17:peer id20:abcdefghijklmnopqrst4:porti6881eeee")
	if len(list.Peers) != 1 || list.Peers[0].Addr != want || string(list.Peers[0].ID[:]) != "abcdefghijklmnopqrst" {
		t.Errorf("%+v", list)
	}
	compact := mustParse(t, "d8:intervali1800e5:peers6:\x7f\x00\x00\x01\x1a\xe1e")
	if len(compact.Peers) != 1 || compact.Peers[0].Addr != want || compact.Interval != 30*time.Minute {
		t.Errorf("%+v", compact)
	}
}

// BEP 7: "peers6 ... the address is 16 bytes long, followed by a 2 byte port". Mapped addresses are IPv4.
func TestBEP7Peers6(t *testing.T) {
	r := mustParse(t, "d8:intervali1e6:peers636:"+
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x05"+
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04\x00\x06e")
	if len(r.Peers) != 2 || r.Peers[0].Addr.String() != "[2001:db8::1]:5" || r.Peers[1].Addr.String() != "1.2.3.4:6" {
		t.Errorf("%+v", r.Peers)
	}
}

// BEP 24: "external ip ... the value is a string of 4 or 16 bytes".
func TestBEP24ExternalIP(t *testing.T) {
	r := mustParse(t, "d11:external ip4:\x01\x02\x03\x048:intervali1e5:peers0:e")
	if r.ExternalIP != netip.MustParseAddr("1.2.3.4") {
		t.Errorf("%v", r.ExternalIP)
	}
	if r = mustParse(t, "d11:external ip3:\x01\x02\x038:intervali1e5:peers0:e"); r.ExternalIP.IsValid() {
		t.Errorf("%v", r.ExternalIP)
	}
}

// BEP 31: "retry in" in minutes, or "never".
func TestBEP31RetryIn(t *testing.T) {
	for body, want := range map[string]time.Duration{
		"d14:failure reason2:no8:retry ini20ee":                                                 20 * time.Minute,
		"d14:failure reason2:no8:retry in2:20e":                                                 20 * time.Minute,
		"d14:failure reason2:no8:retry in5:nevere":                                              Never,
		"d14:failure reason2:noe":                                                               0,
		"d14:failure reason2:no8:retry ini-3ee":                                                 0,
		"d14:failure reason2:no8:retry ini9223372036854775807ee":                                7 * 24 * time.Hour,
		string(AppendResponse(nil, &Response{Failure: "no", RetryIn: 61 * time.Second}, false)): 2 * time.Minute,
		string(AppendResponse(nil, &Response{Failure: "no", RetryIn: Never}, false)):            Never,
	} {
		if r := mustParse(t, body); r.Failure != "no" || r.RetryIn != want {
			t.Errorf("%q: %+v", body, r)
		}
	}
}

// BEP 48: "announce" becomes "scrape" only after the last slash. The examples are the BEP's.
func TestBEP48ScrapeURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://example.com/announce":         "http://example.com/scrape",
		"http://example.com/x/announce":       "http://example.com/x/scrape",
		"http://example.com/announce.php":     "http://example.com/scrape.php",
		"http://example.com/a":                "",
		"http://example.com/announce?x2%0644": "http://example.com/scrape?x2%0644",
		"http://example.com/announce?x=2/4":   "http://example.com/scrape?x=2/4",
		"http://example.com/x%064announce":    "",
	} {
		got, ok := ScrapeURL(in)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q %v", in, got, ok)
		}
	}
}

// BEP 15's tables, byte by byte.
func TestBEP15Layout(t *testing.T) {
	r := Request{Port: 0x1ae1, Downloaded: 1, Left: 2, Uploaded: 3, Event: Started, Key: 0xcafe, NumWant: DefaultNumWant}
	copy(r.InfoHash[:], strings.Repeat("h", 20))
	copy(r.PeerID[:], strings.Repeat("p", 20))
	for _, c := range []struct {
		name, want string
		got        []byte
	}{
		{"connect", "0000041727101980" + "00000000" + "00000007", AppendUDPConnect(nil, 7)},
		{"announce", "00000000000000ff" + "00000001" + "00000007" + strings.Repeat("68", 20) + strings.Repeat("70", 20) +
			"0000000000000001" + "0000000000000002" + "0000000000000003" + "00000002" + "00000000" + "0000cafe" + "ffffffff" + "1ae1",
			AppendUDPAnnounce(nil, 255, 7, &r, "")},
		{"scrape", "00000000000000ff" + "00000002" + "00000007" + strings.Repeat("68", 20), AppendUDPScrape(nil, 255, 7, [][20]byte{r.InfoHash})},
		{"connect reply", "00000000" + "00000007" + "00000000000000ff", AppendUDPConnectReply(nil, 7, 255)},
		{"announce reply", "00000001" + "00000007" + "0000003c" + "00000005" + "00000004" + "010203041ae1", AppendUDPAnnounceReply(nil, 7,
			&Response{Interval: time.Minute, Incomplete: 5, Complete: 4, Peers: []Peer{{Addr: netip.MustParseAddrPort("1.2.3.4:6881")}}}, false)},
		{"scrape reply", "00000002" + "00000007" + "00000001" + "00000003" + "00000002", AppendUDPScrapeReply(nil, 7, []Counts{{Complete: 1, Incomplete: 2, Downloaded: 3}})},
		{"error", "00000003" + "00000007" + "6e6f", AppendUDPError(nil, 7, "no")},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// BEP 41: URLData in chunks concatenates; unknown options are skipped; NOP is one byte; nothing after the end counts.
func TestBEP41Options(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"", ""},
		{"\x02\x09/announce", "/announce"},
		{"\x01\x02\x04/ann\x01\x01\x02\x04ounc\x02\x00\x02\x01e\x00\x02\x01x", "/announce"},
		{"\x07\x03abc\x02\x02/a", "/a"},
		{"\x02\x09/ann", ""},
		{"\x02", ""},
		{"\x02\x02/a\xff", "/a"},
	} {
		p := append(AppendUDPAnnounce(nil, 1, 1, &Request{Port: 1}, ""), c.options...)
		r, err := ParseUDPRequest(p)
		if err != nil || string(r.URLData) != c.want {
			t.Errorf("%q: %q %v", c.options, r.URLData, err)
		}
	}
	long := strings.Repeat("\x02\xff"+strings.Repeat("x", 255), 9)
	if _, err := ParseUDPRequest(append(AppendUDPAnnounce(nil, 1, 1, &Request{Port: 1}, ""), long...)); err == nil {
		t.Error("2,295 bytes of URL data were accepted")
	}
}

// What real trackers and broken ones send.
func TestResponsesSeen(t *testing.T) {
	for _, bad := range []string{
		"", "i1e", "le", "de", "<html>", "d8:intervali1e5:peers5:abcdee", "d8:intervali1e5:peersi1ee", "d8:intervali1e5:peers",
	} {
		if r, err := ParseResponse([]byte(bad)); err == nil {
			t.Errorf("%q: accepted as %+v", bad, r)
		}
	}
	r := mustParse(t, "d8:completei-4e10:incompletei99999999999e8:intervali-1e12:min intervali99999999e5:peers12:\x00\x00\x00\x00\x00\x01\x01\x01\x01\x01\x00\x00e\r\n")
	if len(r.Peers) != 0 || r.Complete != -1 || r.Incomplete != -1 || r.Interval != 0 || r.MinInterval != 24*time.Hour {
		t.Errorf("%+v", r)
	}
	r = mustParse(t, "d8:intervali1e5:peersld2:ip11:example.com4:porti1eed2:ip7:1.1.1.14:porti70000eed2:ip7:1.1.1.14:porti7eei5eee")
	if len(r.Peers) != 1 || r.Peers[0].Addr.String() != "1.1.1.1:7" {
		t.Errorf("%+v", r)
	}
	if r = mustParse(t, "d14:failure reason0:e"); r.Failure == "" {
		t.Error("an empty failure reads as success")
	}
}
