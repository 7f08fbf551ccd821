package ringnode

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// founder is the identity of a ring's first member.
func founder(t *testing.T) *identity {
	t.Helper()
	id, err := loadIdentity(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	id.found(ringwire.Parameters{Replicas: 3, Write: 2, Read: 2, Bits: 160}, 1, nil, time.Now())
	return id
}

// "'forged' means attributed to another writer" (issue 4, Records): that a writer's certificate was checked before vouches neither for
// another signature, nor for another writer, nor for another certificate of the same key.
func TestVerifierRemembersCertificatesOnly(t *testing.T) {
	own, stranger := founder(t), founder(t)
	v := newVerifier(newAdmission(t.TempDir(), own))
	writer := ringwire.Writer(sha256.Sum256(own.certificate.Public[:]))
	text := []byte("a write")
	sig, cert := v.Sign(text)
	for range 2 { // the second time by memory
		if !v.Verify(writer, cert, text, sig) {
			t.Fatal("a signed write is refused")
		}
	}
	if v.Verify(writer, cert, []byte("another write"), sig) {
		t.Error("a signature counts for what it does not sign")
	}
	bad := append([]byte(nil), sig...)
	bad[0] ^= 1
	if v.Verify(writer, cert, text, bad) {
		t.Error("a signature that is none counts")
	}
	if v.Verify(ringwire.Writer{1}, cert, text, sig) {
		t.Error("a write counts for a writer that did not sign it")
	}
	forged := *own.certificate
	forged.Sign(stranger.ca())
	if v.Verify(writer, forged.Append(nil), text, sig) {
		t.Error("a certificate counts that the ring's CA did not sign")
	}
	guest := own.admit(own.public(), ringwire.RoleClient, 0, nil, time.Now())
	if v.Verify(writer, guest.Append(nil), text, sig) {
		t.Error("a client's certificate counts as a member's")
	}
}

// What was checked is checked again once the secrets have changed.
func TestVerifierForgets(t *testing.T) {
	own, other := founder(t), founder(t)
	trust := newAdmission(t.TempDir(), own)
	v := newVerifier(trust)
	writer := ringwire.Writer(sha256.Sum256(own.certificate.Public[:]))
	first, second := []byte("a write"), []byte("one more")
	sig, cert := v.Sign(first)
	next, _ := v.Sign(second)
	if !v.Verify(writer, cert, first, sig) {
		t.Fatal("a signed write is refused")
	}
	trust.mu.Lock()
	trust.id = *other
	trust.mu.Unlock()
	v.forget()
	if v.Verify(writer, cert, first, sig) {
		t.Error("the result of a check outlives the secrets that it was made with")
	}
	if v.Verify(writer, cert, second, next) {
		t.Error("a certificate outlives the CA that signed it")
	}
}
