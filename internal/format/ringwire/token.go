package ringwire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// TokenPrefix begins every token, so that people and scanners of secrets know one when they see it.
const TokenPrefix = "eddyring1-"

const tokenVersion = 1

// Role is what a token or a certificate makes of its holder.
type Role byte

const (
	RoleMember Role = 1 // a host of the ring: holds its secrets, admits others
	RoleClient Role = 2 // a program that only uses the data
)

func (r Role) valid() bool { return r == RoleMember || r == RoleClient }

// Token is what one needs to be let in. It pins the ring: CA is the SHA-256 of the public key that the ring's certificates are
// signed with, so that its holder cannot be lured into another ring.
type Token struct {
	Role    Role
	CA      [32]byte
	Secret  [16]byte
	Expires int64 // Unix seconds; informative here, the members decide by their record of it
}

// String is the token as people pass it on: the prefix and base64url of version, kind, CA, secret, expiry and a checksum
// that tells a token cut short from a wrong one.
func (t Token) String() string {
	b := t.encode()
	sum := sha256.Sum256(b)
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:4]...))
}

func (t Token) encode() []byte {
	b := append([]byte{tokenVersion, byte(t.Role)}, t.CA[:]...)
	b = append(b, t.Secret[:]...)
	return appendUint64(b, uint64(t.Expires))
}

// ParseToken reads what String wrote; white space around it is ignored. Its errors don't repeat the token.
func ParseToken(s string) (t Token, err error) {
	s = strings.TrimSpace(s)
	rest, ok := strings.CutPrefix(s, TokenPrefix)
	if !ok {
		return t, fmt.Errorf("not a ring's token: it must begin with %s", TokenPrefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != tokenSize {
		return t, fmt.Errorf("not a ring's token: it is cut short or has other characters in it; copy the whole of it")
	}
	sum := sha256.Sum256(b[:len(b)-4])
	if [4]byte(sum[:4]) != [4]byte(b[len(b)-4:]) {
		return t, fmt.Errorf("not a ring's token: its checksum is wrong; copy the whole of it")
	}
	r := NewReader(b[:len(b)-4])
	if v := r.Byte(); v != tokenVersion {
		return t, fmt.Errorf("token of version %d: this eddy knows version %d", v, tokenVersion)
	}
	t.Role = Role(r.Byte())
	t.CA = [32]byte(r.Fixed(32))
	t.Secret = [16]byte(r.Fixed(16))
	t.Expires = int64(r.Uint64())
	if err := r.Done(); err != nil || !t.Role.valid() {
		return Token{}, fmt.Errorf("not a ring's token: %w", ErrMalformed)
	}
	return t, nil
}

const tokenSize = 1 + 1 + 32 + 16 + 8 + 4

// TokenID names a token without telling it: the first 8 bytes of a hash of its secret.
type TokenID [8]byte

func (id TokenID) String() string { return hex.EncodeToString(id[:]) }

// ParseTokenID reads what TokenID.String wrote.
func ParseTokenID(s string) (id TokenID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is not the ID of a token: it has 16 hexadecimal digits", s)
	}
	return TokenID(b), nil
}

// ID is the token's name.
func (t Token) ID() TokenID {
	sum := sha256.Sum256(append([]byte("eddy ring token id"), t.Secret[:]...))
	return TokenID(sum[:8])
}

// Verifier is what members keep of a token: the key of its holder's proofs. The secret does not follow from it.
func (t Token) Verifier() [32]byte {
	return sha256.Sum256(append([]byte("eddy ring token proof"), t.Secret[:]...))
}

// Expired reports whether the token's time is over.
func (t Token) Expired(now time.Time) bool { return now.Unix() >= t.Expires }

// Proof shows that its maker knows key to who knows it too, in one TLS session only: exporter is 32 bytes of that session's
// keying material (RFC 8446, section 7.5), which no one in the middle of two sessions can make equal. Role keeps the
// answer from being the question.
func Proof(key [32]byte, role string, exporter []byte) [32]byte {
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte("eddy ring proof "))
	m.Write([]byte(role))
	m.Write([]byte{0})
	m.Write(exporter)
	return [32]byte(m.Sum(nil))
}
