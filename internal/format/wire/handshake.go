package wire

import (
	"errors"
	"fmt"
)

// HandshakeLen is the length of a handshake in bytes.
const HandshakeLen = 68

const protocol = "\x13BitTorrent protocol"

// ErrProtocol is wrapped when a connection does not start as BitTorrent does.
var ErrProtocol = errors.New("not the BitTorrent protocol")

// Handshake is what each side sends first (BEP 3, "peer protocol").
type Handshake struct {
	Reserved [8]byte
	InfoHash [20]byte // metainfo.ID.Wire
	PeerID   [20]byte
}

// A reserved bit: byte and mask.
const (
	extendedByte, extendedMask   = 5, 0x10 // BEP 10
	fastByte, fastMask           = 7, 0x04 // BEP 6
	dhtByte, dhtMask             = 7, 0x01 // BEP 5
	v2UpgradeByte, v2UpgradeMask = 7, 0x10 // BEP 52
)

// Extended reports whether the peer speaks the extension protocol, BEP 10.
func (h *Handshake) Extended() bool { return h.Reserved[extendedByte]&extendedMask != 0 }

// Fast reports whether the peer speaks the fast extension, BEP 6. It is in
// force only when both sides set it.
func (h *Handshake) Fast() bool { return h.Reserved[fastByte]&fastMask != 0 }

// DHT reports whether the peer runs a DHT node, BEP 5.
func (h *Handshake) DHT() bool { return h.Reserved[dhtByte]&dhtMask != 0 }

// V2Upgrade reports whether the initiator of a hybrid torrent's v1 handshake
// would accept the v2 infohash in the answer, BEP 52.
func (h *Handshake) V2Upgrade() bool { return h.Reserved[v2UpgradeByte]&v2UpgradeMask != 0 }

// SetExtended announces the extension protocol, or not.
func (h *Handshake) SetExtended(on bool) { h.set(extendedByte, extendedMask, on) }

// SetFast announces the fast extension, or not.
func (h *Handshake) SetFast(on bool) { h.set(fastByte, fastMask, on) }

// SetDHT announces a DHT node, or not.
func (h *Handshake) SetDHT(on bool) { h.set(dhtByte, dhtMask, on) }

// SetV2Upgrade announces that a v2 answer is welcome, or not.
func (h *Handshake) SetV2Upgrade(on bool) { h.set(v2UpgradeByte, v2UpgradeMask, on) }

func (h *Handshake) set(i int, mask byte, on bool) {
	h.Reserved[i] &^= mask
	if on {
		h.Reserved[i] |= mask
	}
}

// AppendHandshake appends the HandshakeLen bytes of h.
func AppendHandshake(dst []byte, h Handshake) []byte {
	dst = append(dst, protocol...)
	dst = append(dst, h.Reserved[:]...)
	dst = append(dst, h.InfoHash[:]...)
	return append(dst, h.PeerID[:]...)
}

// IsHandshake reports whether b agrees with the start of a handshake as far as
// it goes, so that other protocols are told apart (an encrypted handshake
// among them) or turned away at the first bytes.
func IsHandshake(b []byte) bool {
	n := min(len(b), len(protocol))
	return string(b[:n]) == protocol[:n]
}

// ParseHandshake reads a handshake from the first HandshakeLen bytes of b;
// what follows is the first message.
func ParseHandshake(b []byte) (Handshake, error) {
	if !IsHandshake(b) {
		return Handshake{}, fmt.Errorf("handshake: %w: starts with %q", ErrProtocol, b[:min(len(b), len(protocol))])
	}
	if len(b) < HandshakeLen {
		return Handshake{}, fmt.Errorf("handshake: %d bytes, want %d", len(b), HandshakeLen)
	}
	var h Handshake
	copy(h.Reserved[:], b[20:28])
	copy(h.InfoHash[:], b[28:48])
	copy(h.PeerID[:], b[48:68])
	return h, nil
}
