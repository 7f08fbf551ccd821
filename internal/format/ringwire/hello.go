package ringwire

import (
	"crypto/ed25519"
	"encoding/binary"
	"net/netip"
)

// The hello's frames. All proofs and signatures are over 32 bytes of the TLS session's exported keying material. Nobody says who
// it is, or that this is a ring at all, before the other side has proved that it may know:
//
//	dialer    Greet    proof of the ring's key, or of a token
//	acceptor  Answer   its proof, certificate, presence, signature
//	dialer    Present  a member's certificate, presence, signature; or
//	          Join     a newcomer's public key, and what it wishes to be
//	acceptor  Welcome  to a member empty; to a newcomer its certificate, to a new member the ring's secrets too
const (
	FrameGreet byte = iota + 1
	FrameAnswer
	FramePresent
	FrameJoin
	FrameWelcome
)

// HelloVersion is the first byte of a Greet. It changes when members of two versions could not understand each other.
const HelloVersion = 1

// ExporterLabel names the keying material that the hello is bound to (RFC 8446, section 7.5).
const ExporterLabel = "EXPORTER-eddy-ring-hello"

// The roles of Proof, and the first words of what is signed.
const (
	DialerRole   = "dialer"
	AcceptorRole = "acceptor"
)

// MemberKey is what members prove to know: it follows from the CA's private key, which each of them holds.
func MemberKey(ca ed25519.PrivateKey) [32]byte {
	var seed [32]byte
	copy(seed[:], ca.Seed())
	return Proof(seed, "member key", nil)
}

// SignHello signs the session in one role, so that its certificate cannot be shown by somebody else.
func SignHello(key ed25519.PrivateKey, role string, exporter []byte) (sig [64]byte) {
	return [64]byte(ed25519.Sign(key, helloBytes(role, exporter)))
}

// VerifyHello checks what SignHello made.
func VerifyHello(public [32]byte, role string, exporter []byte, sig [64]byte) bool {
	return ed25519.Verify(public[:], helloBytes(role, exporter), sig[:])
}

func helloBytes(role string, exporter []byte) []byte {
	b := append([]byte("eddy ring hello\x00"), role...)
	return append(append(b, 0), exporter...)
}

// Greet opens a hello.
type Greet struct {
	Version byte
	Token   *TokenID // nil: the dialer is a member
	Proof   [32]byte
}

// Append appends the greeting.
func (g *Greet) Append(b []byte) []byte {
	b = AppendBool(append(b, g.Version), g.Token != nil)
	if g.Token != nil {
		b = append(b, g.Token[:]...)
	}
	return append(b, g.Proof[:]...)
}

// ParseGreet reads a greeting.
func ParseGreet(b []byte) (g Greet, err error) {
	r := NewReader(b)
	g.Version = r.Byte()
	if r.Bool() {
		id := TokenID(r.Fixed(8))
		g.Token = &id
	}
	g.Proof = [32]byte(r.Fixed(32))
	return g, r.Done()
}

// Answer is the acceptor's side of the hello.
type Answer struct {
	Proof       [32]byte
	CA          [32]byte // public key that the certificates are signed with; a newcomer holds it against its token
	Certificate *Certificate
	Presence    Presence
	Observed    netip.AddrPort // where the dialer's packets come from
	Signature   [64]byte
}

// Append appends the answer.
func (a *Answer) Append(b []byte) []byte {
	b = append(append(b, a.Proof[:]...), a.CA[:]...)
	b = a.Presence.Append(a.Certificate.Append(b))
	b = AppendAddr(b, a.Observed)
	return append(b, a.Signature[:]...)
}

// ParseAnswer reads an answer.
func ParseAnswer(b []byte) (a Answer, err error) {
	r := NewReader(b)
	a.Proof = [32]byte(r.Fixed(32))
	a.CA = [32]byte(r.Fixed(32))
	a.Certificate = r.Certificate()
	a.Presence = r.Presence()
	a.Observed = r.Addr()
	a.Signature = [64]byte(r.Fixed(64))
	return a, r.Done()
}

// Present is how a member shows itself.
type Present struct {
	Certificate *Certificate
	Presence    Presence
	Signature   [64]byte
}

// Append appends the presentation.
func (p *Present) Append(b []byte) []byte {
	return append(p.Presence.Append(p.Certificate.Append(b)), p.Signature[:]...)
}

// ParsePresent reads a presentation.
func ParsePresent(b []byte) (p Present, err error) {
	r := NewReader(b)
	p.Certificate = r.Certificate()
	p.Presence = r.Presence()
	p.Signature = [64]byte(r.Fixed(64))
	return p, r.Done()
}

// Join asks for a certificate.
type Join struct {
	Public    [32]byte
	Role      Role
	Positions int
	Explicit  []ID         // wished positions, in rings that allow it
	Old       *Certificate // of a host that was a member before the secrets changed, so that it keeps its positions
	Signature [64]byte
}

// Append appends the request.
func (j *Join) Append(b []byte) []byte {
	b = append(append(b, j.Public[:]...), byte(j.Role))
	b = binary.BigEndian.AppendUint16(b, uint16(j.Positions))
	b = binary.AppendUvarint(b, uint64(len(j.Explicit)))
	for _, id := range j.Explicit {
		b = append(b, id[:]...)
	}
	b = AppendBool(b, j.Old != nil)
	if j.Old != nil {
		b = j.Old.Append(b)
	}
	return append(b, j.Signature[:]...)
}

// ParseJoin reads a request.
func ParseJoin(b []byte) (j Join, err error) {
	r := NewReader(b)
	j.Public = [32]byte(r.Fixed(32))
	j.Role = Role(r.Byte())
	j.Positions = int(r.Uint16())
	j.Explicit = r.ids()
	if r.Bool() {
		j.Old = r.Certificate()
	}
	j.Signature = [64]byte(r.Fixed(64))
	if !j.Role.valid() || j.Positions > MaxPositions || (j.Role == RoleMember) != (j.Positions > 0) ||
		len(j.Explicit) > 0 && len(j.Explicit) != j.Positions {
		r.Fail()
	}
	return j, r.Done()
}

func (r *Reader) ids() []ID {
	n := r.Count(len(ID{}))
	if n == 0 {
		return nil
	}
	out := make([]ID, n)
	for i := range out {
		out[i] = r.ID()
	}
	return out
}

// Parameters are the same in all hosts of a ring: its first host chose them.
type Parameters struct {
	Bits     int // width of positions
	Replicas int // R: hosts that hold a record
	Write    int // W: of these, how many must have it on disk before a write is acknowledged
	Read     int // Q: of these, how many must answer a read
}

func (p Parameters) append(b []byte) []byte {
	return append(b, byte(p.Bits), byte(p.Replicas), byte(p.Write), byte(p.Read))
}

func (r *Reader) parameters() Parameters {
	p := Parameters{Bits: int(r.Byte()), Replicas: int(r.Byte()), Write: int(r.Byte()), Read: int(r.Byte())}
	if p.Bits < 1 || p.Bits > MaxBits || p.Write < 1 || p.Write > p.Replicas || p.Read < 1 || p.Read > p.Replicas {
		r.Fail()
	}
	return p
}

// Secrets make a host a full member: with them it can admit others.
type Secrets struct {
	Serial  uint32     // generation of the CA; each rotation makes the next
	Seed    [32]byte   // of the CA's private key
	Former  [][32]byte // public keys of former CAs, oldest first, by which returning hosts are known
	Genesis [32]byte   // public key of the first CA, by which the ring is named
}

// MaxFormer bounds the list of former CAs: older ones are forgotten, and their hosts come back as new ones.
const MaxFormer = 32

// Append appends secrets, with the latest MaxFormer of the former CAs.
func (s *Secrets) Append(b []byte) []byte {
	former := s.Former[max(0, len(s.Former)-MaxFormer):]
	b = binary.BigEndian.AppendUint32(b, s.Serial)
	b = append(append(b, s.Seed[:]...), s.Genesis[:]...)
	b = append(b, byte(len(former)))
	for _, f := range former {
		b = append(b, f[:]...)
	}
	return b
}

// Secrets takes secrets.
func (r *Reader) Secrets() *Secrets {
	s := &Secrets{Serial: r.Uint32(), Seed: [32]byte(r.Fixed(32)), Genesis: [32]byte(r.Fixed(32))}
	n := int(r.Byte())
	if n > MaxFormer || n*32 > r.Len() {
		r.Fail()
		return s
	}
	for range n {
		s.Former = append(s.Former, [32]byte(r.Fixed(32)))
	}
	return s
}

// Welcome ends a hello.
type Welcome struct {
	Certificate *Certificate // of a newcomer
	Parameters  Parameters   // with a certificate
	Secrets     *Secrets     // for a new member
}

// Append appends the welcome.
func (w *Welcome) Append(b []byte) []byte {
	b = AppendBool(b, w.Certificate != nil)
	if w.Certificate == nil {
		return b
	}
	b = w.Parameters.append(w.Certificate.Append(b))
	b = AppendBool(b, w.Secrets != nil)
	if w.Secrets != nil {
		b = w.Secrets.Append(b)
	}
	return b
}

// ParseWelcome reads a welcome.
func ParseWelcome(b []byte) (w Welcome, err error) {
	r := NewReader(b)
	if !r.Bool() {
		return w, r.Done()
	}
	w.Certificate = r.Certificate()
	w.Parameters = r.parameters()
	if !w.Certificate.In(Space{Bits: w.Parameters.Bits}) {
		r.Fail()
	}
	if r.Bool() {
		w.Secrets = r.Secrets()
	}
	return w, r.Done()
}
