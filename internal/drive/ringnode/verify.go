package ringnode

import (
	"crypto/ed25519"
	"crypto/sha256"
	"sync"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// verified is how many results a verifier remembers, twice.
const verified = 1 << 14

// verifier signs this host's writes and checks others'. It remembers what it checked: a signature takes 60 us, and one record comes
// by several ways. prepare lets the reader of a connection do that work, outside the node's lock.
type verifier struct {
	trust *admission

	mu         sync.Mutex
	young, old map[[32]byte]bool     // results by the hash of all that they depend on; two generations instead of a list
	issued     map[[32]byte]struct{} // hashes of certificates that the ring's CA signed
}

func newVerifier(trust *admission) *verifier {
	return &verifier{trust: trust, young: make(map[[32]byte]bool), issued: make(map[[32]byte]struct{})}
}

// Sign implements replica.Signer.
func (v *verifier) Sign(b []byte) (sig, cert []byte) {
	id := v.trust.identity()
	return ed25519.Sign(id.key, b), id.certificate.Append(nil)
}

// Verify implements replica.Signer. What a host wrote stays its own when its certificate has ended, or the CA that signed it.
func (v *verifier) Verify(writer ringwire.Writer, cert, b, sig []byte) bool {
	h := sha256.New()
	h.Write(writer[:])
	for _, part := range [][]byte{cert, sig, b} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	key := [32]byte(h.Sum(nil))
	if ok, known := v.recall(key); known {
		return ok
	}
	ok := v.check(writer, cert, b, sig)
	v.remember(key, ok)
	return ok
}

func (v *verifier) check(writer ringwire.Writer, cert, b, sig []byte) bool {
	c, err := ringwire.ParseCertificate(cert)
	if err != nil || c.Role != ringwire.RoleMember || sha256.Sum256(c.Public[:]) != writer || len(sig) != ed25519.SignatureSize {
		return false
	}
	return v.known(c, cert) && ed25519.Verify(c.Public[:], b, sig)
}

// known reports whether the ring's CA signed a certificate. A host signs many records with one, so without memory half of the work of
// checking a record would go there.
func (v *verifier) known(c *ringwire.Certificate, cert []byte) bool {
	key := sha256.Sum256(cert)
	v.mu.Lock()
	_, ok := v.issued[key]
	v.mu.Unlock()
	if ok {
		return true
	}
	id := v.trust.identity()
	if !id.remembers(c) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.issued) >= verified {
		clear(v.issued)
	}
	v.issued[key] = struct{}{}
	return true
}

func (v *verifier) recall(key [32]byte) (ok, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if ok, known = v.young[key]; !known {
		ok, known = v.old[key]
	}
	return ok, known
}

func (v *verifier) remember(key [32]byte, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.young) >= verified {
		v.old, v.young = v.young, make(map[[32]byte]bool)
	}
	v.young[key] = ok
}

// forget drops the results: the secrets changed.
func (v *verifier) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.young, v.old = make(map[[32]byte]bool), nil
	clear(v.issued)
}

// prepare checks a record's signatures, so that the results are there when the replica asks. The first forged one ends it: the replica asks for no
// more of such a record, and its sender is to have no more work for it.
func (v *verifier) prepare(r *ringwire.Record) {
	if r == nil {
		return
	}
	id := v.trust.identity()
	ring := id.ring()
	for i := range r.Versions {
		x := &r.Versions[i]
		if !v.Verify(x.Dot.Writer, x.Cert, x.SignedBytes(nil, ring, r.Key), x.Sig) {
			return
		}
	}
}
