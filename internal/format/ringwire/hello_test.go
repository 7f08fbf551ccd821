package ringwire

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// key is a key that every run makes alike.
func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(n byte) [32]byte { return [32]byte(key(n).Public().(ed25519.PublicKey)) }

// testCertificate is a certificate of a ring whose CA is key(1), for key(2).
func testCertificate(positions int, explicit ...ID) *Certificate {
	c := &Certificate{Ring: NewRingID(key(1).Public().(ed25519.PublicKey), 160), Public: public(2), Nonce: [16]byte{7}, Role: RoleMember,
		Positions: positions, Explicit: explicit, Expires: 2_000_000_000, Serial: 3}
	c.Sign(key(1))
	return c
}

func testPresence(c *Certificate) Presence {
	p := Presence{Incarnation: 5, Addr: netip.MustParseAddrPort("[2001:db8::1]:7000")}
	p.Sign(c.Ring, key(2))
	return p
}

func TestToken(t *testing.T) {
	token := Token{Role: RoleClient, CA: [32]byte{1, 2}, Secret: [16]byte{3, 4}, Expires: 1_900_000_000}
	text := token.String()
	if !strings.HasPrefix(text, TokenPrefix) {
		t.Errorf("token %s", text)
	}
	got, err := ParseToken(" " + text + "\n")
	if err != nil || got != token {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range text {
		for _, bad := range []string{text[:i], text[:i] + "A" + text[i+1:], text[:i] + "!" + text[i:]} {
			if bad == text {
				continue
			}
			if got, err := ParseToken(bad); err == nil {
				t.Errorf("ParseToken(%q) = %+v", bad, got)
			} else if len(bad) > 20 && strings.Contains(err.Error(), bad[12:]) {
				t.Errorf("the error tells the token: %v", err)
			}
		}
	}
	if token.Expired(time.Unix(1_899_999_999, 0)) || !token.Expired(time.Unix(1_900_000_000, 0)) {
		t.Error("a token is good until its expiry, and not at it")
	}
	other := token
	other.Secret[15]++
	if other.ID() == token.ID() || other.Verifier() == token.Verifier() {
		t.Error("two secrets have one ID or verifier")
	}
	if id, err := ParseTokenID(token.ID().String()); err != nil || id != token.ID() {
		t.Errorf("%v, %v", id, err)
	}
}

// Whatever of a certificate or presence is changed, its signature does not fit any more, or it cannot be read.
func TestCertificateTampering(t *testing.T) {
	c := testCertificate(16)
	p := testPresence(c)
	ca := key(1).Public().(ed25519.PublicKey)
	if !c.Verify(ca) || !p.Verify(c) {
		t.Fatal("a true certificate or presence is not believed")
	}
	whole := c.Append(nil)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		if got, err := ParseCertificate(b); err == nil && got.Verify(ca) {
			t.Errorf("byte %d changed: believed", i)
		}
	}
	whole = p.Append(nil)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		r := NewReader(b)
		if got := r.Presence(); r.Done() == nil && got.Verify(c) {
			t.Errorf("byte %d of the presence changed: believed", i)
		}
	}
	if c.Verify(key(2).Public().(ed25519.PublicKey)) {
		t.Error("a certificate is believed that its own holder signed")
	}
}

// "Position i of a node = hash(ring, its public key, nonce from its certificate, i): nobody picks a place" (issue 4).
func TestPositions(t *testing.T) {
	c := testCertificate(16)
	var s Space
	seen := map[ID]bool{}
	for i := range c.Positions {
		seen[c.Position(s, i)] = true
	}
	other := *c
	other.Nonce[0]++
	if len(seen) != 16 || seen[other.Position(s, 0)] {
		t.Error("positions repeat, or do not depend on the nonce")
	}
	small := Space{Bits: 6}
	id, err := small.ID(40)
	if err != nil {
		t.Fatal(err)
	}
	if got := testCertificate(1, id).Position(small, 0); got != id {
		t.Errorf("given position %v, is %v", id, got)
	}
}

// A proof is good for one key, role and session.
func TestProof(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	base := Proof([32]byte{1}, DialerRole, one)
	for name, other := range map[string][32]byte{
		"key": Proof([32]byte{2}, DialerRole, one), "role": Proof([32]byte{1}, AcceptorRole, one), "session": Proof([32]byte{1}, DialerRole, two),
	} {
		if other == base {
			t.Errorf("the proof does not depend on the %s", name)
		}
	}
	sig := SignHello(key(2), DialerRole, one)
	if !VerifyHello(public(2), DialerRole, one, sig) || VerifyHello(public(2), AcceptorRole, one, sig) ||
		VerifyHello(public(2), DialerRole, two, sig) || VerifyHello(public(3), DialerRole, one, sig) {
		t.Error("a hello's signature is good for one key, role and session")
	}
}

func testHellos() map[byte][]byte {
	c := testCertificate(2)
	id := TokenID{9}
	greet := Greet{Version: 1, Token: &id, Proof: [32]byte{4}}
	answer := Answer{Proof: [32]byte{4}, CA: public(1), Certificate: c, Presence: testPresence(c), Observed: netip.MustParseAddrPort("10.0.0.1:4"), Signature: [64]byte{8}}
	present := Present{Certificate: c, Presence: testPresence(c), Signature: [64]byte{8}}
	join := Join{Public: public(2), Role: RoleMember, Positions: 1, Explicit: []ID{{3}}, Old: c, Signature: [64]byte{8}}
	welcome := Welcome{Certificate: c, Parameters: Parameters{160, 3, 2, 2}, Secrets: &Secrets{Serial: 3, Seed: [32]byte{5}, Former: [][32]byte{{6}, {7}}, Genesis: public(1)}}
	return map[byte][]byte{FrameGreet: greet.Append(nil), FrameAnswer: answer.Append(nil), FramePresent: present.Append(nil),
		FrameJoin: join.Append(nil), FrameWelcome: welcome.Append(nil)}
}

// reencode parses a hello's payload and encodes what it found.
func reencode(kind byte, b []byte) ([]byte, error) {
	switch kind {
	case FrameGreet:
		v, err := ParseGreet(b)
		return v.Append(nil), err
	case FrameAnswer:
		v, err := ParseAnswer(b)
		if err != nil {
			return nil, err
		}
		return v.Append(nil), nil
	case FramePresent:
		v, err := ParsePresent(b)
		if err != nil {
			return nil, err
		}
		return v.Append(nil), nil
	case FrameJoin:
		v, err := ParseJoin(b)
		if err != nil {
			return nil, err
		}
		return v.Append(nil), nil
	}
	v, err := ParseWelcome(b)
	if err != nil {
		return nil, err
	}
	return v.Append(nil), nil
}

// Every payload is read back as it was, and no prefix of it is taken for a whole one.
func TestHelloCodec(t *testing.T) {
	for kind, b := range testHellos() {
		got, err := reencode(kind, b)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("kind %d: %x, %v; want %x", kind, got, err, b)
		}
		for n := range b {
			if _, err := reencode(kind, b[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("kind %d cut to %d bytes: %v", kind, n, err)
			}
		}
		if _, err := reencode(kind, append(bytes.Clone(b), 0)); err == nil {
			t.Errorf("kind %d with a byte too many: accepted", kind)
		}
	}
}

func TestDataCodec(t *testing.T) {
	for _, d := range testData() {
		b := d.Append(nil)
		got, err := ParseData(b)
		if err != nil {
			t.Errorf("%v: %v", d.Kind, err)
			continue
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Errorf("%v: %s", d.Kind, diff)
		}
		for n := range b {
			if _, err := ParseData(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%v cut to %d bytes: %v", d.Kind, n, err)
			}
		}
	}
}

func testData() []*Data {
	sums := make([]Sum, Branches)
	sums[3] = Sum{Count: 7, Total: [4]uint64{1, 2, 3, 4}}
	return []*Data{
		{Kind: DataRead, Op: 300, Key: "key", Filter: true, Member: Digest{1}, Digest: Digest{2}},
		{Kind: DataAnswer, Op: 1, Sure: true, Same: true, Members: 12, Digest: Digest{2}},
		{Kind: DataWritten, Op: 1 << 60, Status: StatusFull, Lapsed: true},
		{Kind: DataTree, Op: 5, Arc: Arc{ID{1}, ID{2}}, Prefix: Prefix{ID{1}, 2}, Claim: true, Key: "after"},
		{Kind: DataNode, Op: 5, Sums: sums, Group: 2, Fresh: true},
		{Kind: DataNode, Op: 5, Items: []Item{{"a", Digest{1}}, {"b", Digest{2}}}},
		{Kind: DataLeaving},
	}
}
