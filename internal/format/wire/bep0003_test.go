package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// BEP 3, peer protocol: "The handshake starts with character nineteen (decimal)
// followed by the string 'BitTorrent protocol'. ... After the fixed headers
// come eight reserved bytes, which are all zero in all current implementations.
// ... Next comes the 20 byte truncated infohash. ... After the download hash
// comes the 20-byte peer id".
func TestHandshakeLayout(t *testing.T) {
	h := Handshake{InfoHash: [20]byte([]byte(strings.Repeat("h", 20))), PeerID: [20]byte([]byte("-ED0001-abcdefghijkl"))}
	got := AppendHandshake(nil, h)
	want := "\x13BitTorrent protocol" + "\x00\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("h", 20) + "-ED0001-abcdefghijkl"
	if string(got) != want {
		t.Fatalf("handshake %q, want %q", got, want)
	}
	back, err := ParseHandshake(append(got, "first message"...))
	if err != nil || back != h {
		t.Fatalf("parsed %+v, %v", back, err)
	}
}

func TestHandshakeRefused(t *testing.T) {
	good := AppendHandshake(nil, Handshake{})
	for n := range HandshakeLen {
		if _, err := ParseHandshake(good[:n]); err == nil || errors.Is(err, ErrProtocol) {
			t.Errorf("cut to %d bytes: error %v", n, err)
		}
		if !IsHandshake(good[:n]) {
			t.Errorf("the first %d bytes are not taken for a handshake", n)
		}
	}
	for i := range len(protocol) {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		if _, err := ParseHandshake(bad); !errors.Is(err, ErrProtocol) || IsHandshake(bad[:i+1]) {
			t.Errorf("byte %d changed: error %v", i, err)
		}
	}
}

// "That's it for handshaking, next comes an alternating stream of length
// prefixes and messages. Messages of length zero are keepalives, and ignored."
func TestKeepAlive(t *testing.T) {
	if m, n, err := Parse([]byte{0, 0, 0, 0}, 0); m.Kind != KeepAlive || n != 4 || err != nil {
		t.Errorf("%v, %d, %v", m.Kind, n, err)
	}
}

// "All non-keepalive messages start with a single byte which gives their type.
// ... The 'have' message's payload is a single number ... 'request' messages
// contain an index, begin, and length. ... 'cancel' messages have the same
// payload as request messages. ... 'piece' messages contain an index, begin,
// and piece." "All later integers sent in the protocol are encoded as four
// bytes big-endian."
func TestMessageLayout(t *testing.T) {
	for want, m := range map[string]Message{
		"\x00\x00\x00\x01\x00":                 {Kind: Choke},
		"\x00\x00\x00\x01\x01":                 {Kind: Unchoke},
		"\x00\x00\x00\x01\x02":                 {Kind: Interested},
		"\x00\x00\x00\x01\x03":                 {Kind: NotInterested},
		"\x00\x00\x00\x05\x04\x01\x02\x03\x04": {Kind: Have, Index: 0x01020304},
		"\x00\x00\x00\x03\x05\xaa\x80":         {Kind: Bitfield, Payload: []byte("\xaa\x80")},
		"\x00\x00\x00\x0d\x06\x00\x00\x00\x01\x00\x00\x40\x00\x00\x00\x20\x00":        {Kind: Request, Index: 1, Begin: 1 << 14, Length: 1 << 13},
		"\x00\x00\x00\x0c\x07\x00\x00\x00\x01\x00\x00\x40\x00abc":                     {Kind: Piece, Index: 1, Begin: 1 << 14, Length: 3, Payload: []byte("abc")},
		"\x00\x00\x00\x0d\x08\x00\x00\x00\x01\x00\x00\x40\x00\x00\x00\x20\x00":        {Kind: Cancel, Index: 1, Begin: 1 << 14, Length: 1 << 13},
		"\x00\x00\x00\x03\x09\x1a\xe1":                                                {Kind: Port, Index: 6881},
		"\x00\x00\x00\x0a\x14\x01d1:ai1ee":                                            {Kind: Extended, ExtID: 1, Payload: []byte("d1:ai1ee")},
		"\x00\x00\x00\x31\x15" + strings.Repeat("r", 32) + strings.Repeat("\x07", 16): {Kind: HashRequest, Payload: []byte(strings.Repeat("r", 32) + strings.Repeat("\x07", 16))},
	} {
		if got := Append(nil, m); string(got) != want {
			t.Errorf("%v: %x, want %x", m.Kind, got, want)
		}
	}
}

// A sender writes the header and reads the data into place behind it.
func TestPieceHeader(t *testing.T) {
	data := []byte("sixteen KiB, say")
	b := AppendPieceHeader(nil, 3, 1<<14, uint32(len(data)))
	if len(b) != PieceHeaderLen {
		t.Fatalf("header of %d bytes", len(b))
	}
	m, n, err := Parse(append(b, data...), 100)
	if err != nil || n != PieceHeaderLen+len(data) || m.Index != 3 || m.Begin != 1<<14 || !bytes.Equal(m.Payload, data) {
		t.Errorf("%+v, %d, %v", m, n, err)
	}
}

func FuzzParseHandshake(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendHandshake(nil, Handshake{Reserved: [8]byte{5: 0x10, 7: 5}}))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHandshake(b[:len(b):len(b)])
		if err == nil && !bytes.Equal(AppendHandshake(nil, h), b[:HandshakeLen]) {
			t.Fatalf("%x parsed as %+v", b, h)
		}
	})
}
