package announce

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// ConnKey makes and checks the connection ids of BEP 15 without remembering any: an id is a keyed MAC of the address that
// asked for it and of the minute. Who cannot receive at an address cannot announce from it, so the tracker neither lists
// strangers nor sends them more than they sent. Fill it with random bytes at start.
//
// The MAC is SHA-256 over one block of fixed layout: key, address, epoch. The fixed length rules out extension, which is
// all that HMAC would add, at three times the cost.
type ConnKey [24]byte

const (
	epoch = time.Minute
	// BEP 15: "the tracker should accept the connection ID until two minutes after it has been sent". An id may be made at
	// the end of its epoch, so two whole epochs have to follow it.
	acceptedEpochs = 3
)

// ID returns the connection id of addr at now, a time since any fixed start. The port is left out on purpose: clients may
// use several sockets, and a NAT may move them.
func (k *ConnKey) ID(addr netip.Addr, now time.Duration) uint64 {
	return k.mac(addr, int64(now/epoch))
}

// Valid reports whether id was given to addr within the last two minutes (and at most one more).
func (k *ConnKey) Valid(id uint64, addr netip.Addr, now time.Duration) bool {
	e := int64(now / epoch)
	for i := range int64(acceptedEpochs) {
		if k.mac(addr, e-i) == id {
			return true
		}
	}
	return false
}

func (k *ConnKey) mac(addr netip.Addr, epoch int64) uint64 {
	var b [48]byte
	copy(b[:], k[:])
	a := addr.As16() // IPv4 as mapped: the same id by either kind of socket
	copy(b[24:], a[:])
	binary.BigEndian.PutUint64(b[40:], uint64(epoch))
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:])
}
