package ringnode

import (
	"bytes"
	"crypto/ed25519"
	"slices"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// The generations of a ring's secrets are ordered by their serial, and those of one serial, which several nodes made at the same time, by
// the hash of their CA. So all members that hear of them come to the same one, in whatever order. The CAs of the others stay among the
// former ones: in the meantime somebody may have signed with them what must stay good.

// newSecrets are the generation after old, whose CA has the public key given.
func newSecrets(old *ringwire.Secrets, public ed25519.PublicKey) (*ringwire.Secrets, error) {
	_, ca, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	former := append(slices.Clone(old.Former), [32]byte(public))
	if extra := len(former) - ringwire.MaxFormer; extra > 0 {
		former = former[extra:]
	}
	return &ringwire.Secrets{Serial: old.Serial + 1, Seed: [32]byte(ca.Seed()), Former: former, Genesis: old.Genesis}, nil
}

// publicCA is the public key of the secrets' CA.
func publicCA(s *ringwire.Secrets) [32]byte {
	return [32]byte(ed25519.NewKeyFromSeed(s.Seed[:]).Public().(ed25519.PublicKey))
}

// later reports whether generation a counts more than b.
func later(a, b *ringwire.Secrets) bool {
	if a.Serial != b.Serial {
		return a.Serial > b.Serial
	}
	ca, cb := publicCA(a), publicCA(b)
	ha, hb := ringwire.CAHash(ca[:]), ringwire.CAHash(cb[:])
	return bytes.Compare(ha[:], hb[:]) > 0
}

// related reports whether two generations are of one ring and continue, or fork from, a CA that both know.
func related(a, b *ringwire.Secrets) bool {
	if a.Genesis != b.Genesis {
		return false
	}
	all := append(slices.Clone(a.Former), publicCA(a))
	return slices.ContainsFunc(append(slices.Clone(b.Former), publicCA(b)), func(ca [32]byte) bool { return slices.Contains(all, ca) })
}

// joinSecrets is the later one of two generations, which knows all former CAs of both, as far as there is room for them, and the other's CA.
// It reports whether that is anything else than own. An earlier one has no say any more.
func joinSecrets(own, other *ringwire.Secrets) (*ringwire.Secrets, bool) {
	if other.Serial < own.Serial || !related(own, other) {
		return own, false
	}
	first, second := own, other
	if later(other, own) {
		first, second = other, own
	}
	ca, out := publicCA(first), *first
	out.Former = slices.Clone(first.Former)
	for _, f := range append([][32]byte{publicCA(second)}, second.Former...) {
		if f != ca && !slices.Contains(out.Former, f) && len(out.Former) < ringwire.MaxFormer {
			out.Former = append(out.Former, f)
		}
	}
	return &out, out.Seed != own.Seed || len(out.Former) > len(own.Former)
}
