package ringnode

import (
	"crypto/ed25519"
	"encoding/hex"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// admission decides who may come in. It caches what the ring's system records say of tokens and evicted hosts.
type admission struct {
	dir string // of the identity; "" = not kept

	mu        sync.RWMutex
	id        identity
	public    ed25519.PublicKey // of the CA
	memberKey [32]byte
	tokens    map[ringwire.TokenID]tokenRecord
	revoked   map[ringwire.TokenID]bool
	evicted   map[[32]byte]bool
}

// tokenRecord is what members know of a token.
type tokenRecord struct {
	id       ringwire.TokenID
	verifier [32]byte
	role     ringwire.Role
	serial   uint32 // of the CA that the token pins
	expires  int64  // Unix seconds
}

func newAdmission(dir string, id *identity) *admission {
	a := &admission{dir: dir, id: *id, tokens: make(map[ringwire.TokenID]tokenRecord), revoked: make(map[ringwire.TokenID]bool),
		evicted: make(map[[32]byte]bool)}
	a.derive()
	return a
}

// derive computes what follows from the secrets; mu is held, or a is not shared yet.
func (a *admission) derive() {
	if a.id.secrets == nil {
		return
	}
	ca := a.id.ca()
	a.public = ca.Public().(ed25519.PublicKey)
	a.memberKey = ringwire.MemberKey(ca)
}

// trusts reports whether the ring vouches for the certificate now.
func (a *admission) trusts(c *ringwire.Certificate, now time.Time) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.id.secrets != nil && a.id.trusts(c, a.public, now)
}

// isEvicted reports whether the host with this key must stay out.
func (a *admission) isEvicted(public [32]byte) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.evicted[public]
}

// identity returns the present identity; what its pointers lead to is never written to.
func (a *admission) identity() identity {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.id
}

func (a *admission) proofKey() [32]byte {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.memberKey
}

// caPublic is the public key that the ring's certificates are signed with.
func (a *admission) caPublic() ed25519.PublicKey {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.public
}

// resign signs the content of a certificate with the present CA.
func (a *admission) resign(old *ringwire.Certificate) *ringwire.Certificate {
	a.mu.RLock()
	defer a.mu.RUnlock()
	c := *old
	c.Serial = a.id.secrets.Serial
	c.Sign(a.id.ca())
	return &c
}

// verdict is what becomes of who shows a token.
type verdict int

const (
	unknown   verdict = iota
	undecided         // whether it is one, until the ring can be asked
	accepted
	expired
	revoked
)

// judge says what the cache knows of a token. A revoked one stays known until it expires, so that its holder can be told why.
func (a *admission) judge(id ringwire.TokenID, now time.Time) (tokenRecord, verdict) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, ok := a.tokens[id]
	switch {
	case !ok:
		return t, unknown
	case t.serial > a.id.secrets.Serial:
		return t, undecided // the ring's secrets were changed, and this host is still to hear of it
	case a.revoked[id] || t.serial < a.id.secrets.Serial:
		return t, revoked
	case now.Unix() >= t.expires:
		return t, expired
	}
	return t, accepted
}

// newToken makes a token for the present CA; it counts once its record is known.
func (a *admission) newToken(role ringwire.Role, secret [16]byte, expires time.Time) (ringwire.Token, tokenRecord) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t := ringwire.Token{Role: role, CA: ringwire.CAHash(a.public), Secret: secret, Expires: expires.Unix()}
	return t, tokenRecord{id: t.ID(), verifier: t.Verifier(), role: role, serial: a.id.secrets.Serial, expires: t.Expires}
}

func (a *admission) addToken(t tokenRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[t.id] = t
}

func (a *admission) removeToken(id ringwire.TokenID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, id)
}

func (a *admission) revoke(id ringwire.TokenID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked[id] = true
}

func (a *admission) evict(public [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.evicted[public] = true
}

// adopt joins secrets to the present ones, with a certificate of what comes out, once that is on disk. It reports whether anything changed.
func (a *admission) adopt(s *ringwire.Secrets, now time.Time) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	joined, changed := joinSecrets(a.id.secrets, s)
	if !changed {
		return false, nil
	}
	next := a.id
	next.secrets = joined
	next.certificate = next.renew(a.id.certificate, now)
	if err := next.save(a.dir); err != nil {
		return false, err
	}
	a.id = next
	a.derive()
	return true, nil
}

// renew gives the host's own certificate another 90 days when its time is coming, and reports whether it did.
func (a *admission) renew(now time.Time) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Unix(a.id.certificate.Expires, 0).Sub(now) > renewBefore {
		return false, nil
	}
	next := a.id
	next.certificate = next.renew(a.id.certificate, now)
	if err := next.save(a.dir); err != nil {
		return false, err
	}
	a.id = next
	return true, nil
}

// prune forgets tokens that ended so long ago that nobody has to be told why they are of no use.
func (a *admission) prune(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, t := range a.tokens {
		if now.Sub(time.Unix(t.expires, 0)) >= systemGrace {
			delete(a.tokens, id)
			delete(a.revoked, id)
		}
	}
}

// known is the cache as members of the system sets.
func (a *admission) known() *systemCache {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := &systemCache{}
	for i, key := range systemKeys {
		add := func(member []byte) {
			if len(out.members[i]) < maxKnown {
				out.members[i] = append(out.members[i], member)
			}
		}
		switch key {
		case tokensKey:
			for _, t := range a.tokens {
				add(t.append(nil))
			}
		case revokedKey:
			for id := range a.revoked {
				add(id[:])
			}
		case evictedKey:
			for public := range a.evicted {
				add(public[:])
			}
		}
	}
	return out
}

// append and parseTokenRecord are a token's record as a member of the system set.
func (t tokenRecord) append(b []byte) []byte {
	b = append(append(b, t.id[:]...), t.verifier[:]...)
	b = append(b, byte(t.role), byte(t.serial>>24), byte(t.serial>>16), byte(t.serial>>8), byte(t.serial))
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(uint64(t.expires)>>shift))
	}
	return b
}

func parseTokenRecord(b []byte) (t tokenRecord, err error) {
	r := ringwire.NewReader(b)
	t.id = ringwire.TokenID(r.Fixed(8))
	t.verifier = [32]byte(r.Fixed(32))
	t.role = ringwire.Role(r.Byte())
	t.serial = r.Uint32()
	t.expires = int64(r.Uint64())
	return t, r.Done()
}

// shortKey names a host in logs.
func shortKey(public [32]byte) string { return hex.EncodeToString(public[:6]) }
