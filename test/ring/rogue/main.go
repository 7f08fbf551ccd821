//go:build ringrogue

// Command rogue is a member of a ring that has all rights, and lies: with wrong successors, stale values, drops and replays (issue 4, "It must
// show"). It is told the truth by nobody that it does not ask like a true member, whose code it runs, and behaves until it gets SIGUSR1.
// test/ring/processes builds it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/drive/ringnode"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

func main() {
	var cfg ringnode.Config
	join := flag.String("join", "", "`ADDR`,... of members")
	seed := flag.Uint64("seed", 1, "of its lies")
	flag.StringVar(&cfg.Token, "token", "", "`T` that lets in")
	flag.StringVar(&cfg.Data, "data", "", "`DIR`")
	flag.StringVar(&cfg.Listen, "listen", "", "`IP:PORT`")
	flag.IntVar(&cfg.Vnodes, "vnodes", 0, "positions")
	flag.Parse()
	cfg.Join = strings.Split(*join, ",")
	l := &liar{rng: rand.New(rand.NewPCG(*seed, 0)), first: map[string]*ringwire.Record{}}
	cfg.SetLiar(&ringnode.Liar{Ring: l.ring, Data: l.data})
	if err := run(cfg, l); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(cfg ringnode.Config, l *liar) error {
	n, err := ringnode.New(cfg)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	go func() {
		select {
		case <-n.Ready():
			say(map[string]any{"type": "ready", "id": n.ID(), "listen": n.Addr().String()})
		case <-ctx.Done():
			return
		}
		select {
		case <-begin:
			l.on.Store(true)
		case <-ctx.Done():
		}
	}()
	err = n.Run(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	say(map[string]any{"type": "lies", "ring": l.ringLies, "data": l.dataLies, "forged": l.forged, "dropped": l.dropped, "replayed": l.replayed})
	return err
}

func say(event map[string]any) {
	b, err := json.Marshal(event)
	if err == nil {
		fmt.Println(string(b))
	}
}

// liar makes the lies. Its methods are called under the node's lock.
type liar struct {
	on atomic.Bool

	mu       sync.Mutex
	rng      *rand.Rand
	refs     []ringwire.Ref              // positions that it has heard of
	first    map[string]*ringwire.Record // of each key, the oldest state that it saw
	pastRing []*ring.Message
	pastData []*ringwire.Data

	ringLies, dataLies, forged, dropped, replayed int
}

const memory = 400 // messages and positions that it remembers

func keep[T any](l *liar, list []T, x T) []T {
	if len(list) < memory {
		return append(list, x)
	}
	list[l.rng.IntN(memory)] = x
	return list
}

// anybody is some position of the ring.
func (l *liar) anybody() ringwire.Ref { return l.refs[l.rng.IntN(len(l.refs))] }

// ring lies about who is where: it names wrong predecessors, successors, owners and next hops, drops, and sends old messages again.
func (l *liar) ring(_ ringwire.Host, m *ring.Message) []*ring.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ref := range m.List {
		l.refs = keep(l, l.refs, ref)
	}
	copied := *m
	l.pastRing = keep(l, l.pastRing, &copied)
	if !l.on.Load() || len(l.refs) == 0 {
		return []*ring.Message{m}
	}
	roll := l.rng.IntN(10)
	switch {
	case roll < 2:
		l.dropped++
		return nil
	case roll < 3:
		l.replayed++
		return []*ring.Message{m, l.pastRing[l.rng.IntN(len(l.pastRing))]}
	case roll >= 7:
		return []*ring.Message{m}
	}
	lie := *m
	switch m.Kind {
	case ring.State, ring.Found, ring.Leaving:
		lie.List = make([]ringwire.Ref, len(m.List))
		for i := range lie.List {
			lie.List[i] = l.anybody()
		}
		if m.HasPred {
			lie.Pred = l.anybody()
		}
	case ring.Hint, ring.NotMine:
		lie.Ref, lie.Final = l.anybody(), l.rng.IntN(2) == 0
	case ring.Lookup: // takes somebody else's lookup elsewhere, and says that this is the owner
		lie.To, lie.Final = l.anybody().ID, true
	case ring.Notify: // claims to be before whom it is not
		lie.To = l.anybody().ID
	default:
		return []*ring.Message{m}
	}
	l.ringLies++
	return []*ring.Message{&lie}
}

// data answers with what was true long ago, says that it stored what it did not, drops, replays, and writes in others' names.
func (l *liar) data(_ ringwire.Host, m *ringwire.Data) []*ringwire.Data {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Record != nil {
		if l.first[m.Record.Key] == nil {
			l.first[m.Record.Key] = m.Record
		}
		l.pastData = keep(l, l.pastData, m)
	}
	if !l.on.Load() {
		return []*ringwire.Data{m}
	}
	lie := *m
	switch roll := l.rng.IntN(10); {
	case roll < 2:
		l.dropped++
		return nil
	case roll < 5 && m.Kind == ringwire.DataAnswer:
		lie.Record, lie.Same, lie.Sure = nil, false, true
		if m.Record != nil {
			lie.Record = l.first[m.Record.Key]
		}
	case roll < 5 && m.Kind == ringwire.DataWritten:
		lie.Record, lie.Sure, lie.Status = nil, true, ringwire.StatusOK
	case roll < 6 && len(l.pastData) > 0:
		l.replayed++
		return []*ringwire.Data{m, l.pastData[l.rng.IntN(len(l.pastData))]}
	case roll < 7 && m.Record != nil && len(m.Record.Versions) > 0:
		l.forged++
		return []*ringwire.Data{m, {Kind: ringwire.DataWrite, Op: 1 << 40, Record: forge(m.Record)}}
	case roll < 8 && m.Kind == ringwire.DataAnswer && m.Record != nil && len(m.Record.Versions) > 0:
		l.forged++
		lie.Record = forge(m.Record)
	default:
		return []*ringwire.Data{m}
	}
	l.dataLies++
	return []*ringwire.Data{&lie}
}

// forge is a record with another value in the first writer's name, under its old signature.
func forge(rec *ringwire.Record) *ringwire.Record {
	v := rec.Versions[0]
	v.Dot.Counter++
	v.Value, v.Tombstone, v.Gone, v.TTL, v.Left = []byte("forged"), false, false, 0, 0
	v.Hash = sha256.Sum256(v.Value)
	if v.Set {
		v.Member = v.Hash
	}
	return &ringwire.Record{Key: rec.Key, Versions: []ringwire.Version{v}}
}
