package ringnode

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// refusal ends a connection with a code, of which the other side learns no more than its proofs entitle it to.
type refusal struct {
	code quic.ApplicationErrorCode
	why  string // for our own log and counters
}

func (r *refusal) Error() string { return r.why }

func refuse(code quic.ApplicationErrorCode, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// hello is one side's view of the exchange that begins a connection. It knows nothing of QUIC but the session's
// keying material, so that tests can put anything in between.
type hello struct {
	rw       io.ReadWriter
	in       *bufio.Reader
	exporter []byte
	buf      []byte
}

func newHello(rw io.ReadWriter, exporter []byte) *hello {
	return &hello{rw: rw, in: bufio.NewReaderSize(rw, 4<<10), exporter: exporter}
}

func (h *hello) send(kind byte, payload []byte) error {
	_, err := h.rw.Write(ringwire.AppendFrame(nil, kind, payload))
	return err
}

// receive reads a frame of one of two kinds.
func (h *hello) receive(kinds ...byte) (kind byte, payload []byte, err error) {
	kind, h.buf, err = ringwire.ReadFrame(h.in, ringwire.MaxHelloFrame, h.buf)
	if errors.Is(err, ringwire.ErrMalformed) {
		return 0, nil, refuse(codeRefused, "hello: %v", err)
	}
	if err != nil {
		return 0, nil, err
	}
	for _, k := range kinds {
		if k == kind {
			return kind, h.buf, nil
		}
	}
	return 0, nil, refuse(codeRefused, "hello: frame of kind %d, want one of %v", kind, kinds)
}

// papers are what a member shows.
type papers struct {
	certificate *ringwire.Certificate
	presence    ringwire.Presence
}

// dialMember is the dialer's side between members. It returns who answered, and where it sees us; who answered is known, too, when that one has
// proved itself and then turned us away.
func (h *hello) dialMember(a *admission, own papers) (papers, netip.AddrPort, error) {
	key := a.proofKey()
	answer, err := h.greet(ringwire.Greet{Version: ringwire.HelloVersion, Proof: ringwire.Proof(key, ringwire.DialerRole, h.exporter)}, key)
	if err != nil {
		return papers{}, netip.AddrPort{}, err
	}
	if !a.trusts(answer.Certificate, time.Now()) {
		return papers{}, netip.AddrPort{}, refuse(codeRefused, "hello: %v", errUntrusted)
	}
	id := a.identity()
	p := ringwire.Present{Certificate: own.certificate, Presence: own.presence, Signature: ringwire.SignHello(id.key, ringwire.DialerRole, h.exporter)}
	if err := h.send(ringwire.FramePresent, p.Append(nil)); err != nil {
		return papers{}, netip.AddrPort{}, err
	}
	_, err = h.welcome()
	return papers{answer.Certificate, answer.Presence}, answer.Observed, err
}

// greet sends the greeting and checks that the answer comes from who knows the same key, and is who its certificate says.
func (h *hello) greet(g ringwire.Greet, key [32]byte) (answer ringwire.Answer, err error) {
	if err := h.send(ringwire.FrameGreet, g.Append(nil)); err != nil {
		return answer, err
	}
	_, payload, err := h.receive(ringwire.FrameAnswer)
	if err != nil {
		return answer, err
	}
	if answer, err = ringwire.ParseAnswer(payload); err != nil {
		return answer, refuse(codeRefused, "hello: answer: %v", err)
	}
	proof := ringwire.Proof(key, ringwire.AcceptorRole, h.exporter)
	if !hmac.Equal(proof[:], answer.Proof[:]) {
		return answer, refuse(codeRefused, "hello: the other side does not know the ring's secret")
	}
	c := answer.Certificate
	if c.Role != ringwire.RoleMember || !ringwire.VerifyHello(c.Public, ringwire.AcceptorRole, h.exporter, answer.Signature) || !answer.Presence.Verify(c) {
		return answer, refuse(codeRefused, "hello: the other side is not whom its certificate names")
	}
	return answer, nil
}

func (h *hello) welcome() (ringwire.Welcome, error) {
	_, payload, err := h.receive(ringwire.FrameWelcome)
	if err != nil {
		return ringwire.Welcome{}, err
	}
	w, err := ringwire.ParseWelcome(payload)
	if err != nil {
		return w, refuse(codeProtocol, "hello: welcome: %v", err)
	}
	return w, nil
}

// dialToken is the dialer's side of who holds a token: a newcomer, or a program that uses the data. It pins the CA that the token
// names.
func (h *hello) dialToken(t ringwire.Token, key ed25519.PrivateKey, wish ringwire.Join) (papers, ringwire.Welcome, error) {
	id, proofKey := t.ID(), t.Verifier()
	answer, err := h.greet(ringwire.Greet{Version: ringwire.HelloVersion, Token: &id, Proof: ringwire.Proof(proofKey, ringwire.DialerRole, h.exporter)}, proofKey)
	if err != nil {
		return papers{}, ringwire.Welcome{}, err
	}
	if !answer.Certificate.Verify(answer.CA[:]) {
		return papers{}, ringwire.Welcome{}, refuse(codeRefused, "hello: this is not the ring that the token is for")
	}
	if ringwire.CAHash(answer.CA[:]) != t.CA { // by somebody who knows the token, though
		return papers{}, ringwire.Welcome{}, refuse(codeStale, "hello: the token is for secrets that the ring does not have any more")
	}
	wish.Public = [32]byte(key.Public().(ed25519.PublicKey))
	wish.Signature = ringwire.SignHello(key, ringwire.DialerRole, h.exporter)
	if err := h.send(ringwire.FrameJoin, wish.Append(nil)); err != nil {
		return papers{}, ringwire.Welcome{}, err
	}
	w, err := h.welcome()
	if err != nil {
		return papers{}, w, err
	}
	c := w.Certificate
	if c == nil || c.Public != wish.Public || c.Ring != answer.Certificate.Ring || !c.Verify(answer.CA[:]) {
		return papers{}, w, refuse(codeProtocol, "hello: the certificate that we got is not ours")
	}
	if wish.Role == ringwire.RoleMember {
		if w.Secrets == nil || ringwire.CAHash(ed25519.NewKeyFromSeed(w.Secrets.Seed[:]).Public().(ed25519.PublicKey)) != t.CA {
			return papers{}, w, refuse(codeProtocol, "hello: the secrets that we got are not this ring's")
		}
		if ringwire.NewRingID(w.Secrets.Genesis[:], w.Parameters.Bits) != c.Ring {
			return papers{}, w, refuse(codeProtocol, "hello: the secrets that we got are another ring's")
		}
	}
	return papers{answer.Certificate, answer.Presence}, w, nil
}

// guest is whom the acceptor has let in.
type guest struct {
	papers          // of a member
	member bool     // a connection between members; else by token
	access Access   // what it may do on API streams
	key    [32]byte // its public key
	token  ringwire.TokenID
}

// acceptor is what the accepting side needs to know.
type acceptor struct {
	trust    *admission
	own      papers
	observed netip.AddrPort
	judge    func(ctx context.Context, id ringwire.TokenID) (tokenRecord, verdict)
}

// accept is the acceptor's side. It stays silent until the dialer has proved that it knows the ring's key or a token.
func (h *hello) accept(ctx context.Context, a *acceptor) (*guest, error) {
	_, payload, err := h.receive(ringwire.FrameGreet)
	if err != nil {
		return nil, err
	}
	g, err := ringwire.ParseGreet(payload)
	if err != nil || g.Version != ringwire.HelloVersion {
		return nil, refuse(codeRefused, "hello: greeting of version %d: %v", g.Version, err)
	}
	key, token, v := a.trust.proofKey(), tokenRecord{}, accepted
	if g.Token != nil {
		switch token, v = a.judge(ctx, *g.Token); v {
		case unknown:
			return nil, refuse(codeRefused, "hello: unknown token %v", *g.Token)
		case undecided:
			return nil, refuse(codeUndecided, "hello: the ring cannot tell now whether there is a token %v", *g.Token)
		}
		key = token.verifier
	}
	proof := ringwire.Proof(key, ringwire.DialerRole, h.exporter)
	if !hmac.Equal(proof[:], g.Proof[:]) {
		return nil, refuse(codeRefused, "hello: wrong proof")
	}
	switch v { // the dialer holds the secret: it may know
	case expired:
		return nil, refuse(codeExpired, "hello: token %v has expired", token.id)
	case revoked:
		return nil, refuse(codeRevoked, "hello: token %v was revoked", token.id)
	}
	if err := h.answer(a, key); err != nil {
		return nil, err
	}
	if g.Token == nil {
		return h.acceptMember(a)
	}
	return h.acceptToken(a, token)
}

func (h *hello) answer(a *acceptor, key [32]byte) error {
	id := a.trust.identity()
	ca := id.ca().Public().(ed25519.PublicKey)
	answer := ringwire.Answer{
		Proof: ringwire.Proof(key, ringwire.AcceptorRole, h.exporter), CA: [32]byte(ca), Certificate: a.own.certificate, Presence: a.own.presence,
		Observed: a.observed, Signature: ringwire.SignHello(id.key, ringwire.AcceptorRole, h.exporter),
	}
	return h.send(ringwire.FrameAnswer, answer.Append(nil))
}

func (h *hello) acceptMember(a *acceptor) (*guest, error) {
	_, payload, err := h.receive(ringwire.FramePresent)
	if err != nil {
		return nil, err
	}
	p, err := ringwire.ParsePresent(payload)
	if err != nil {
		return nil, refuse(codeProtocol, "hello: %v", err)
	}
	c := p.Certificate
	switch {
	case !a.trust.trusts(c, time.Now()) || c.Role != ringwire.RoleMember:
		return nil, refuse(codeStale, "hello: %v", errUntrusted)
	case !ringwire.VerifyHello(c.Public, ringwire.DialerRole, h.exporter, p.Signature):
		return nil, refuse(codeRefused, "hello: the certificate is somebody else's")
	case !p.Presence.Verify(c):
		return nil, refuse(codeProtocol, "hello: %v", errPresence)
	case a.trust.isEvicted(c.Public):
		return nil, refuse(codeEvicted, "hello: host %s was evicted", shortKey(c.Public))
	}
	w := ringwire.Welcome{}
	if err := h.send(ringwire.FrameWelcome, w.Append(nil)); err != nil {
		return nil, err
	}
	return &guest{papers: papers{c, p.Presence}, member: true, access: AccessAdmin, key: c.Public}, nil
}

func (h *hello) acceptToken(a *acceptor, token tokenRecord) (*guest, error) {
	_, payload, err := h.receive(ringwire.FrameJoin)
	if err != nil {
		return nil, err
	}
	j, err := ringwire.ParseJoin(payload)
	if err != nil {
		return nil, refuse(codeProtocol, "hello: %v", err)
	}
	id := a.trust.identity()
	space := ringwire.Space{Bits: id.parameters.Bits}
	switch {
	case !ringwire.VerifyHello(j.Public, ringwire.DialerRole, h.exporter, j.Signature):
		return nil, refuse(codeProtocol, "hello: the newcomer does not hold its key")
	case j.Role == ringwire.RoleMember && token.role != ringwire.RoleMember:
		return nil, refuse(codeParameters, "hello: a client's token does not make members")
	case slices.ContainsFunc(j.Explicit, func(at ringwire.ID) bool { return !space.Has(at) }):
		return nil, refuse(codeParameters, "hello: a position is outside the ring's %d bits", id.parameters.Bits)
	case len(j.Explicit) > 0 && id.parameters.Bits == ringwire.MaxBits:
		return nil, refuse(codeParameters, "hello: positions are given only in rings made with fewer bits")
	case a.trust.isEvicted(j.Public):
		return nil, refuse(codeEvicted, "hello: host %s was evicted", shortKey(j.Public))
	}
	w := ringwire.Welcome{Parameters: id.parameters}
	if old := j.Old; old != nil && old.Public == j.Public && old.Role == j.Role && id.remembers(old) {
		w.Certificate = id.renew(old, time.Now()) // it comes back: to its old place, whatever it wishes now
	} else {
		w.Certificate = id.admit(j.Public, j.Role, j.Positions, j.Explicit, time.Now())
	}
	if j.Role == ringwire.RoleMember {
		w.Secrets = id.secrets
	}
	if err := h.send(ringwire.FrameWelcome, w.Append(nil)); err != nil {
		return nil, err
	}
	access := AccessData
	if token.role == ringwire.RoleMember {
		access = AccessAdmin
	}
	return &guest{access: access, key: j.Public, token: token.id}, nil
}
