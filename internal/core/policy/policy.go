// Package policy names the sets of decisions that a peer can act by. A policy is a few comparison functions and no code of its own;
// the live engine, the block-level and the piece-level simulator all take the same value, so that what is
// simulated is what runs.
package policy

import (
	"fmt"
	"strings"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/pick"
)

// Policy is what a peer decides by. The zero value is TitForTat.
type Policy struct {
	Name      string
	About     string     // one line for help texts
	Order     pick.Order // which piece next; nil = pick.RarestFirst
	Rank      choke.Rank // the regular slots while downloading; nil = choke.Reciprocal
	SeedRank  choke.Rank // the regular slots once complete; nil = choke.LeastComplete
	RevealAll bool       // a seed shows all its pieces at once instead of handing each out once first
	Wide      bool       // who knows no upload limit of its own serves all who want something, up to 40, not the slots alone
}

// TitForTat is the default: rarest first, four slots to those who send most, and a seed that hands each piece out once
// before any twice.
var TitForTat = Policy{Name: "tit-for-tat", About: "rarest first, slots to those who send most (the default)"}

// Cooperative serves everybody, first who has least of the content, and does not ask what it gives: for networks of equal
// machines that all do as told. Where links are as fast down as up, nobody can make up for slots that chance dealt to
// others, and ten to thirty machines wait a fifth longer for the last of them. Between unequal links it is the worse policy:
// those with slow ones slice them too thin. docs/sim.md has the figures.
var Cooperative = Policy{Name: "cooperative", About: "everybody is served, whatever it gives: for equal machines that trust each other",
	Rank: choke.LeastComplete, Wide: true}

// Policies to measure the others against.
var (
	// Classic is BEP 3 as it stood: the seed shows everything, and serves the fastest takers.
	Classic = Policy{Name: "classic", About: "as of BEP 3: a seed reveals all pieces and serves who takes fastest",
		SeedRank: choke.FastestUpload, RevealAll: true}
	// RandomPieces is Classic without rarest first.
	RandomPieces = Policy{Name: "random-pieces", About: "classic, with pieces in random order instead of rarest first",
		Order: pick.Random, SeedRank: choke.FastestUpload, RevealAll: true}
	// InOrder fetches as a player does that takes no account of the swarm.
	InOrder = Policy{Name: "in-order", About: "classic, with pieces in the order of the content",
		Order: pick.Sequential, SeedRank: choke.FastestUpload, RevealAll: true}
)

// All lists the policies, the default first.
func All() []Policy { return []Policy{TitForTat, Cooperative, Classic, RandomPieces, InOrder} }

// Named returns the policy of that name; the empty name is the default's.
func Named(name string) (Policy, error) {
	if name == "" {
		return TitForTat, nil
	}
	var names []string
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Policy{}, fmt.Errorf("no policy %q: want one of %s", name, strings.Join(names, ", "))
}

// WithDefaults returns p with its nil ranks filled in. Order stays nil for rarest first, which package pick answers from
// sorted buckets instead of comparing all pieces.
func (p Policy) WithDefaults() Policy {
	if p.Rank == nil {
		p.Rank = choke.Reciprocal
	}
	if p.SeedRank == nil {
		p.SeedRank = choke.LeastComplete
	}
	return p
}
