package wire

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var extSamples = []ExtHandshake{
	{},
	{Client: "eddy 0.1", Port: 6881, Reqq: 2000},
	{
		M:      Extensions{UTMetadata: 1, UTPex: 2, UTHolepunch: 3, LTDontHave: 4, UploadOnlyID: 255},
		Client: "µTorrent 1.2", Port: 65535, Reqq: 250, MetadataSize: 31235, UploadOnly: true,
		YourIP: netip.MustParseAddr("192.0.2.1"),
	},
	{YourIP: netip.MustParseAddr("2001:db8::1")},
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestExtHandshakeRoundTrip(t *testing.T) {
	for _, h := range extSamples {
		b := AppendExtHandshake(nil, h)
		got, err := ParseExtHandshake(append(b, "payload behind it"...))
		if err != nil {
			t.Errorf("%q: %v", b, err)
		}
		if d := cmp.Diff(h, got, sameAddr); d != "" {
			t.Errorf("%q changed:\n%s", b, d)
		}
	}
}

// BEP 10 gives "an example of what the payload of a handshake message could
// look like ... in the encoded form", with extension names that nobody uses:
// "The client should ignore any extension names it doesn't recognize."
func TestExtHandshakeExample(t *testing.T) {
	h, err := ParseExtHandshake([]byte("d1:md11:LT_metadatai1e6:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e"))
	// The BEP's own example miscounts: "µT_PEX" has seven bytes, not six.
	if err == nil {
		t.Fatalf("the miscounted example parsed as %+v", h)
	}
	h, err = ParseExtHandshake([]byte("d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e"))
	if want := (ExtHandshake{Port: 6881, Client: "µTorrent 1.2"}); err != nil || h != want {
		t.Errorf("%+v, %v; want %+v", h, err, want)
	}
}

// "Subsequent handshake messages can be used to enable/disable extensions
// without restarting the connection ... the value 0 is used to turn off an
// extension."
func TestExtHandshakeIsAdditive(t *testing.T) {
	h, err := ParseExtHandshake([]byte("d1:md11:ut_metadatai3e6:ut_pexi1ee1:pi6881e4:reqqi500ee"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Update([]byte("d1:md6:ut_pexi0ee11:upload_onlyi1ee")); err != nil {
		t.Fatal(err)
	}
	want := ExtHandshake{M: Extensions{UTMetadata: 3}, Port: 6881, Reqq: 500, UploadOnly: true}
	if h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
}

// "All items in the dictionary are optional. Any unknown names should be
// ignored by the client."
func TestExtHandshakeTolerance(t *testing.T) {
	for _, c := range []struct {
		in   string
		want ExtHandshake
	}{
		{"de", ExtHandshake{}},
		{"d1:ei1e4:ipv44:\x01\x02\x03\x0412:complete_agoi5e1:v3:abce", ExtHandshake{Client: "abc"}},
		{"d1:mi5e1:p3:abc4:reqqle1:vi3e6:yourip3:abc11:upload_only1:1e", ExtHandshake{}},
		{"d1:md11:ut_metadatai256e6:ut_pexi-1ee13:metadata_sizei-5e1:pi65536e4:reqqi-1ee", ExtHandshake{}},
		{"d4:reqqi99999999999999999999eee", ExtHandshake{}},
		{"d1:v9:a\x1b[31m\xffb\x00e", ExtHandshake{Client: "a[31mb"}},
		{"d1:v6:\xe2\x80\xaeabce", ExtHandshake{Client: "abc"}},
		{"d1:v100:" + strings.Repeat("x", 100) + "e", ExtHandshake{Client: strings.Repeat("x", 64)}},
		{"d1:v3:abc1:pi1ee", ExtHandshake{Client: "abc", Port: 1}}, // unsorted
		{"d6:yourip16:" + strings.Repeat("\x00", 10) + "\xff\xff\x01\x02\x03\x04e", ExtHandshake{YourIP: netip.MustParseAddr("1.2.3.4")}},
	} {
		got, err := ParseExtHandshake([]byte(c.in))
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", "i1e", "le", "d", "d1:v", "3:abc", strings.Repeat("d1:a", 20), "d1:al" + strings.Repeat("i1e", 1001) + "ee"} {
		if h, err := ParseExtHandshake([]byte(in)); err == nil {
			t.Errorf("%.20q accepted as %+v", in, h)
		}
	}
}

func FuzzParseExtHandshake(f *testing.F) {
	for _, h := range extSamples {
		f.Add(AppendExtHandshake(nil, h))
	}
	f.Add([]byte("d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e"))
	f.Add([]byte("d1:v200:e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseExtHandshake(b)
		if err != nil {
			return
		}
		if len(h.Client) > maxClientLen || h.Reqq < 0 || h.Reqq > maxReqq || h.MetadataSize < 0 {
			t.Fatalf("out of bounds: %+v", h)
		}
		out := AppendExtHandshake(nil, h)
		again, err := ParseExtHandshake(out)
		if err != nil || again != h || !bytes.Equal(AppendExtHandshake(nil, again), out) {
			t.Fatalf("%+v changed to %+v, %v", h, again, err)
		}
	})
}
