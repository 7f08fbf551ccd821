package sim

import (
	"cmp"
	"context"
	"crypto/sha1"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/drive/engine"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// What decides is one value, and it decides alike in the live engine over loopback, in the engine's simulation and in the fast
// one: an order of pieces that nobody else would choose is what all three fetch by, and a rank that prefers those who have most
// is whom all three serve. With the default neither shows.
func TestPolicyChangesAllThree(t *testing.T) {
	strange := func(a, b pick.Candidate) int { return cmp.Compare(strangeKey(a.Piece), strangeKey(b.Piece)) }
	for _, where := range []struct {
		name  string
		fetch func(t *testing.T, p policy.Policy)
	}{
		{"live", liveFetch},
		{"engine", func(t *testing.T, p policy.Policy) { simFetch(t, Engine, p) }},
		{"fast", func(t *testing.T, p policy.Policy) { simFetch(t, Fast, p) }},
	} {
		t.Run("order/"+where.name, func(t *testing.T) {
			var odd, plain probe
			where.fetch(t, policy.Policy{Name: "strange", Order: odd.watch(strange), RevealAll: true})
			where.fetch(t, policy.Policy{Name: "default", Order: plain.watch(pick.RarestFirst), RevealAll: true})
			if share := odd.ascending(); share < 1 {
				t.Errorf("%.2f of the pieces came in the policy's order: %v", share, odd.picked())
			}
			if share := plain.ascending(); share > 0.75 {
				t.Errorf("%.2f of the pieces came in that order by default: %v", share, plain.picked())
			}
		})
	}
	mostComplete := func(a, b *choke.Candidate) int { return cmp.Compare(b.Complete, a.Complete) }
	for _, where := range []struct {
		name  string
		serve func(t *testing.T, p policy.Policy) float64
	}{
		{"live", liveServe},
		{"engine", func(t *testing.T, p policy.Policy) float64 { return simServe(t, Engine, p) }},
		{"fast", func(t *testing.T, p policy.Policy) float64 { return simServe(t, Fast, p) }},
	} {
		t.Run("rank/"+where.name, func(t *testing.T) {
			if testing.Short() && where.name == "live" {
				t.Skip("a round of the choker takes 10 s")
			}
			var rich, plain float64
			t.Run("both", func(t *testing.T) { // at once: live they take their time
				t.Run("rich", func(t *testing.T) {
					t.Parallel()
					rich = where.serve(t, policy.Policy{Name: "rich", SeedRank: mostComplete, RevealAll: true})
				})
				t.Run("default", func(t *testing.T) {
					t.Parallel()
					plain = where.serve(t, policy.Policy{Name: "default", SeedRank: choke.LeastComplete, RevealAll: true})
				})
			})
			t.Logf("those who have most got %.2f of the server's bytes, %.2f by default", rich, plain)
			// Four regular slots for them against the optimistic one; by default the reverse.
			if rich < 0.6 || plain > 0.4 {
				t.Errorf("those who have most got %.2f of the server's bytes, %.2f by default", rich, plain)
			}
		})
	}
}

const (
	orderPieces = 32
	orderSize   = orderPieces * orderPiece
	orderPiece  = 32 << 10
)

// strangeKey is a permutation that no policy of ours has.
func strangeKey(piece int) int { return (piece*13 + 5) % orderPieces }

// probe looks over the shoulder of a pick.Order. A piece that was picked is no candidate any more, so that the last time that each
// was looked at tells the order in which they were picked.
type probe struct {
	mu   sync.Mutex
	call int
	last [orderPieces]int
}

func (o *probe) watch(by pick.Order) pick.Order {
	return func(a, b pick.Candidate) int {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.call++
		verdict := by(a, b)
		o.last[a.Piece], o.last[b.Piece] = o.call, o.call
		return verdict
	}
}

// picked returns the pieces in the order in which they were picked, without the first, which are picked at random or as the sender
// allows (BEP 6) until there is something to trade, and the last two, of which one query looked at both.
func (o *probe) picked() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]int, 0, orderPieces)
	for i := range orderPieces {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(o.last[a], o.last[b]) })
	return list[4 : orderPieces-2]
}

// ascending is the share of picks that came in the strange order after the one before.
func (o *probe) ascending() float64 {
	list := o.picked()
	n := 0
	for k := range list[1:] {
		if strangeKey(list[k+1]) > strangeKey(list[k]) {
			n++
		}
	}
	return float64(n) / float64(len(list)-1)
}

// simFetch has one peer fetch from the server.
func simFetch(t *testing.T, f Fidelity, p policy.Policy) {
	sc := &scenario.Scenario{Name: "order", Size: orderSize, PieceLength: orderPiece, Server: scenario.Server{Up: 1 << 20}, Policy: p,
		Latency: time.Millisecond, Classes: []scenario.Class{{Name: "peer", Count: 1, Up: 1 << 20}}}
	res, err := Run(context.Background(), sc, Options{Fidelity: f})
	if err != nil || res.Complete != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
}

// The swarm of the ranks: poor have nothing, rich have half; none of them uploads.
const (
	rankPoor, rankRich = 8, 4
	rankPieces         = 64
	rankPiece          = 32 << 10
	rankRate           = 128 << 10
	rankWatched        = 512 << 10 // bytes sent after the first round that count
)

// simServe returns the share of the rich in what the server sends in some seconds after its first round.
func simServe(t *testing.T, f Fidelity, p policy.Policy) float64 {
	sent := func(until time.Duration) (rich, all int64) {
		sc := &scenario.Scenario{Name: "rank", Size: rankPieces * rankPiece, PieceLength: rankPiece, Server: scenario.Server{Up: rankRate},
			Policy: p, Latency: time.Millisecond, Until: until, Classes: []scenario.Class{
				{Name: "poor", Count: rankPoor, Up: rankRate, Strategy: scenario.FreeRider},
				{Name: "rich", Count: rankRich, Up: rankRate, Strategy: scenario.FreeRider, Have: 0.5}}}
		res, err := Run(context.Background(), sc, Options{Fidelity: f})
		if err != nil {
			t.Fatal(err)
		}
		return res.Classes[1].FromServer, res.FromServer
	}
	// The same seed: the longer run begins as the shorter one.
	first := choke.Round + time.Second // what was asked for before the round is out
	rich0, all0 := sent(first)
	rich1, all1 := sent(first + rankWatched*time.Second/rankRate)
	return float64(rich1-rich0) / float64(all1-all0)
}

// content is a torrent of noise.
func content(t *testing.T, size, piece int) (*metainfo.MetaInfo, []byte) {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	b := metainfo.Builder{Format: metainfo.V1, Name: "noise", PieceLength: int64(piece), Sources: []metainfo.Source{{Length: int64(size)}}}
	for k := 0; k < size; k += piece {
		sum := sha1.Sum(data[k:min(k+piece, size)])
		b.Pieces = append(b.Pieces, sum[:]...)
	}
	meta, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return meta, data
}

// live runs an engine on loopback with one torrent, of which data is on disk already.
func live(t *testing.T, meta *metainfo.MetaInfo, data []byte, up int64, p policy.Policy, peers ...netip.AddrPort) (*engine.Torrent, netip.AddrPort) {
	dir, size := t.TempDir(), meta.Info.Files[0].Length
	if len(data) > 0 {
		name := "noise"
		if int64(len(data)) < size {
			name += storage.PartSuffix
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := engine.New(engine.Config{Listen: "127.0.0.1:0", UploadLimit: up})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan struct{})
	go func() {
		defer close(end)
		if err := e.Run(ctx); err != nil {
			t.Errorf("the engine ended with %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-end })
	tor, err := e.Add(engine.Spec{Meta: meta, Root: dir, Files: []storage.FileSpec{{Path: "noise", Length: size}}, Policy: p,
		ReadOnly: int64(len(data)) == size})
	if err != nil {
		t.Fatal(err)
	}
	tor.AddPeers(peers...)
	return tor, e.Addr()
}

// liveFetch is simFetch with real engines.
func liveFetch(t *testing.T, p policy.Policy) {
	meta, data := content(t, orderSize, orderPiece)
	seed, at := live(t, meta, data, 0, policy.Policy{RevealAll: true})
	await(t, "the seed is ready", func() bool { return seed.Stats().State == engine.Seeding })
	tor, _ := live(t, meta, nil, 0, p, at)
	select {
	case <-tor.Done():
	case <-time.After(time.Minute):
		t.Fatalf("not complete: %+v", tor.Stats())
	}
}

// liveServe is simServe with real engines.
func liveServe(t *testing.T, p policy.Policy) float64 {
	meta, data := content(t, rankPieces*rankPiece, rankPiece)
	var ranked sync.Once
	round := make(chan struct{})
	rank := p.SeedRank
	p.SeedRank = func(a, b *choke.Candidate) int {
		ranked.Do(func() { close(round) })
		return rank(a, b)
	}
	seed, at := live(t, meta, data, rankRate, p)
	await(t, "the seed is ready", func() bool { return seed.Stats().State == engine.Seeding })
	var all []*engine.Torrent
	for k := range rankPoor + rankRich {
		var have []byte
		if k >= rankPoor {
			have = data[:len(data)/2]
		}
		tor, _ := live(t, meta, have, 1, policy.Policy{}, at)
		all = append(all, tor)
	}
	sums := func() (rich, sum int64) {
		for k, tor := range all {
			n := tor.Stats().Downloaded
			if sum += n; k >= rankPoor {
				rich += n
			}
		}
		return rich, sum
	}
	select {
	case <-round:
	case <-time.After(time.Minute):
		t.Fatal("the policy ranks nobody")
	}
	_, before := sums()
	await(t, "what was asked for before the round is out", func() bool { _, now := sums(); return now-before >= rankRate })
	rich0, all0 := sums()
	await(t, "the server has sent enough", func() bool { _, now := sums(); return now-all0 >= rankWatched })
	rich1, all1 := sums()
	return float64(rich1-rich0) / float64(all1-all0)
}

// await looks until it is so.
func await(t *testing.T, what string, so func() bool) {
	late := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not so within a minute: %s", what)
		}
	}
}
