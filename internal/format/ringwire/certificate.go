package ringwire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// RingID names a ring for ever: the first 20 bytes of the SHA-256 of its first CA's public key and its width.
type RingID [20]byte

func (id RingID) String() string { return hex.EncodeToString(id[:]) }

// NewRingID is the name of the ring that begins with this CA and positions of this many bits.
func NewRingID(ca ed25519.PublicKey, bits int) RingID {
	h := sha256.New()
	h.Write([]byte("eddy ring id"))
	h.Write(ca)
	h.Write([]byte{byte(bits)})
	return RingID(h.Sum(nil)[:20])
}

// CAHash is what a token pins of a CA.
func CAHash(ca ed25519.PublicKey) [32]byte {
	return sha256.Sum256(append([]byte("eddy ring ca"), ca...))
}

// Limits of a certificate.
const (
	MaxPositions = 256
)

const certificateVersion = 1

// Certificate says that a ring knows a key, and where its holder stands: position i is the hash of ring, key, nonce and i. The
// admitting member chose the nonce after it saw the key, so that nobody picks a place. Explicit positions are for teaching
// rings, where numbers are given by hand.
type Certificate struct {
	Ring      RingID
	Public    [ed25519.PublicKeySize]byte
	Nonce     [16]byte
	Role      Role
	Positions int    // virtual nodes, 1 to MaxPositions; 0 for a client
	Explicit  []ID   // if any, as many as Positions; whether they are positions of the ring, In tells who knows how wide it is
	Expires   int64  // Unix seconds
	Serial    uint32 // generation of the CA that signed
	Signature [ed25519.SignatureSize]byte
}

// signed is what the signature covers: all but itself, with a domain tag before it.
func (c *Certificate) signed() []byte { return c.appendBody([]byte("eddy ring certificate\x00")) }

func (c *Certificate) appendBody(b []byte) []byte {
	b = append(b, certificateVersion)
	b = append(b, c.Ring[:]...)
	b = append(b, c.Public[:]...)
	b = append(b, c.Nonce[:]...)
	b = append(b, byte(c.Role))
	b = binary.BigEndian.AppendUint16(b, uint16(c.Positions))
	b = AppendBool(b, len(c.Explicit) > 0)
	for _, id := range c.Explicit {
		b = append(b, id[:]...)
	}
	b = appendUint64(b, uint64(c.Expires))
	return binary.BigEndian.AppendUint32(b, c.Serial)
}

// Append appends the certificate's one encoding.
func (c *Certificate) Append(b []byte) []byte { return append(c.appendBody(b), c.Signature[:]...) }

// ParseCertificate reads a whole certificate; the signature is Verify's business.
func ParseCertificate(b []byte) (*Certificate, error) {
	r := NewReader(b)
	c := r.Certificate()
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return c, nil
}

// Certificate takes a certificate.
func (r *Reader) Certificate() *Certificate {
	c := &Certificate{}
	if r.Byte() != certificateVersion {
		r.Fail()
	}
	c.Ring = RingID(r.Fixed(20))
	c.Public = [32]byte(r.Fixed(32))
	c.Nonce = [16]byte(r.Fixed(16))
	c.Role = Role(r.Byte())
	c.Positions = int(r.Uint16())
	explicit := r.Bool()
	if !c.Role.valid() || c.Positions > MaxPositions || (c.Role == RoleMember) != (c.Positions > 0) {
		r.Fail()
	}
	if explicit && (c.Positions == 0 || c.Positions*len(ID{}) > r.Len()) {
		r.Fail()
	}
	if explicit && r.Err() == nil {
		c.Explicit = make([]ID, c.Positions)
		for i := range c.Explicit {
			c.Explicit[i] = r.ID()
		}
	}
	c.Expires = int64(r.Uint64())
	c.Serial = r.Uint32()
	c.Signature = [64]byte(r.Fixed(64))
	return c
}

// Sign makes the certificate valid in the eyes of those who trust ca.
func (c *Certificate) Sign(ca ed25519.PrivateKey) {
	c.Signature = [64]byte(ed25519.Sign(ca, c.signed()))
}

// Verify reports whether ca signed the certificate. Whether it has expired is another question.
func (c *Certificate) Verify(ca ed25519.PublicKey) bool {
	return ed25519.Verify(ca, c.signed(), c.Signature[:])
}

// Expired reports whether its time is over.
func (c *Certificate) Expired(now time.Time) bool { return now.Unix() >= c.Expires }

// In reports whether all explicit positions are of the ring's space.
func (c *Certificate) In(s Space) bool {
	return !slices.ContainsFunc(c.Explicit, func(id ID) bool { return !s.Has(id) })
}

// Position is where virtual node i, 0 <= i < Positions, of the holder stands.
func (c *Certificate) Position(s Space, i int) ID {
	if len(c.Explicit) > 0 {
		return c.Explicit[i]
	}
	return s.Hash(NodeTag, c.Ring[:], c.Public[:], c.Nonce[:], binary.BigEndian.AppendUint32(nil, uint32(i)))
}

// Presence is where a host can be reached, in its own words: only its key can say so, and of two the one with the higher
// Incarnation, which grows with each start, counts.
type Presence struct {
	Incarnation uint32
	Addr        netip.AddrPort
	Signature   [ed25519.SignatureSize]byte
}

func (p *Presence) signed(ring RingID, public [32]byte) []byte {
	b := append([]byte("eddy ring presence\x00"), ring[:]...)
	b = append(b, public[:]...)
	b = binary.BigEndian.AppendUint32(b, p.Incarnation)
	return AppendAddr(b, p.Addr)
}

// Sign signs the presence of the key's holder.
func (p *Presence) Sign(ring RingID, key ed25519.PrivateKey) {
	p.Signature = [64]byte(ed25519.Sign(key, p.signed(ring, [32]byte(key.Public().(ed25519.PublicKey)))))
}

// Verify reports whether the holder of the certificate signed it.
func (p *Presence) Verify(c *Certificate) bool {
	return ed25519.Verify(c.Public[:], p.signed(c.Ring, c.Public), p.Signature[:])
}

// Append appends the presence's one encoding.
func (p *Presence) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.Incarnation)
	b = AppendAddr(b, p.Addr)
	return append(b, p.Signature[:]...)
}

// Presence takes a presence; an address is part of it.
func (r *Reader) Presence() Presence {
	p := Presence{Incarnation: r.Uint32(), Addr: r.Addr()}
	p.Signature = [64]byte(r.Fixed(64))
	if !p.Addr.IsValid() || p.Addr.Port() == 0 {
		r.Fail()
	}
	return p
}

func appendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }
