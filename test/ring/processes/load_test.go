package processes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/ring"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

const (
	registers = 20 // keys of a load, of which every fourth is also deleted
	sets      = 3
	patience  = 5 * time.Second // of a client
)

// A load is clients, one at each node, that read and write the same keys until it is stopped.
type load struct {
	c        *cluster
	prefix   string
	think    time.Duration
	sessions bool // reads must have seen what the client saw before, even those that don't say what that is
	stop     context.CancelFunc
	ctx      context.Context
	wg       sync.WaitGroup
}

// startLoad starts it. Its keys are its own, so that one scenario's unknown ends don't excuse another's losses.
func (c *cluster) startLoad(name string, think time.Duration, sessions bool) *load {
	l := &load{c: c, prefix: name, think: think, sessions: sessions}
	l.ctx, l.stop = context.WithCancel(c.ctx)
	for i := range registers {
		c.keys = append(c.keys, l.key(i))
	}
	for i := range sets {
		c.keys = append(c.keys, l.set(i))
	}
	seed := rand.Uint64()
	c.t.Logf("load %s drawn from seed %d", name, seed)
	for _, n := range c.nodes {
		s := &session{l: l, n: n, rng: rand.New(rand.NewPCG(seed, uint64(n.number))), versions: map[string]string{}, seen: map[string][]string{}}
		l.wg.Go(s.run)
	}
	return l
}

// end waits for the operations that run, and says what became of all.
func (l *load) end() {
	l.stop()
	l.wg.Wait()
	counts := map[string]int{}
	for _, op := range l.c.log.Ops() {
		if strings.HasPrefix(op.Key, l.prefix) {
			counts[op.Outcome.String()]++
		}
	}
	l.c.t.Logf("load %s: operations by outcome %v", l.prefix, counts)
	if counts["ok"] < 100 || counts["refused"] > 0 {
		l.c.t.Errorf("load %s: %v proves little", l.prefix, counts)
	}
}

func (l *load) key(i int) string { return fmt.Sprintf("%s key %d", l.prefix, i) }

// set is the name of a set. In the history each of its members is a key of its own, since they don't overwrite each other.
func (l *load) set(i int) string { return fmt.Sprintf("%s set %d", l.prefix, i) }

func isSet(key string) bool { return strings.Contains(key, " set ") }

// A session is one client, which talks to one node and remembers what it was told.
type session struct {
	l        *load
	n        *node
	rng      *rand.Rand
	versions map[string]string
	seen     map[string][]string // values, by key, at that version
}

func (s *session) run() {
	for {
		select {
		case <-time.After(time.Duration(s.rng.Int64N(int64(2 * s.l.think)))):
		case <-s.l.ctx.Done():
			return
		}
		if s.n.down.Load() || s.n.forgotten {
			continue
		}
		if client, err := s.n.dial(); err == nil {
			s.operate(client)
		}
	}
}

// operate does one operation and logs it.
func (s *session) operate(client *ring.Client) {
	c, number := s.l.c, s.rng.IntN(registers)
	op := history.Op{Client: s.n.number, Node: fmt.Sprint(s.n.number), Key: s.l.key(number), Kind: history.Get}
	options := ring.PutOptions{}
	known := s.versions[op.Key]
	key, roll := op.Key, s.rng.IntN(100)
	switch {
	case roll < 50:
	case roll < 90 || number%4 != 0:
		op.Kind, op.Value = history.Put, fmt.Sprintf("v%d", c.count.Add(1))
	default:
		op.Kind = history.Delete
	}
	switch {
	case op.Kind == history.Put && roll%10 == 0:
		options.Set, key = true, s.l.set(number%sets)
		op.Key = key + "/" + op.Value
	case op.Kind != history.Get && known != "" && roll%3 == 0:
		options.IfVersion, op.If, op.IfSeen, op.Session = known, known, s.seen[op.Key], known
	case op.Kind == history.Put && roll%7 == 0:
		options.IfVersion, op.If = ring.None, ring.None
	case op.Kind == history.Get && (s.l.sessions || roll%2 == 0):
		op.Session = known
	}
	atLeast := op.Session
	if roll%4 == 1 {
		atLeast = "" // where reads are linearizable they need not be told
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	op.Invoke = int64(time.Since(c.start))
	i := c.log.Invoke(op)
	values, version, err := ask(ctx, client, key, &op, options, atLeast)
	out := outcome(err)
	c.log.End(i, int64(time.Since(c.start)), out, values, version)
	s.learn(&op, out, values, version)
	if out == history.Unknown {
		s.n.drop(client)
	}
}

// ask has the node do an operation.
func ask(ctx context.Context, client *ring.Client, key string, op *history.Op, options ring.PutOptions, atLeast string) (values []string, version string, err error) {
	switch op.Kind {
	case history.Put:
		put, err := client.Put(ctx, key, []byte(op.Value), options)
		if err != nil {
			return nil, "", err
		}
		return nil, put.Version, nil
	case history.Delete:
		put, err := client.Delete(ctx, key, options.IfVersion)
		if err != nil {
			return nil, "", err
		}
		return nil, put.Version, nil
	}
	return read(ctx, client, key, atLeast)
}

// read returns the values of a register or the members of a set.
func read(ctx context.Context, client *ring.Client, key, atLeast string) (values []string, version string, err error) {
	got, err := client.Get(ctx, key, ring.GetOptions{Siblings: true, Sample: -1, AtLeast: atLeast})
	if err != nil {
		return nil, "", err
	}
	all := got.Siblings
	if len(all) == 0 {
		all = [][]byte{got.Value}
	}
	if got.MemberCount > 0 {
		all = got.Members
	}
	for _, v := range all {
		values = append(values, string(v))
	}
	slices.Sort(values)
	return values, got.Version, nil
}

// learn remembers what an operation told.
func (s *session) learn(op *history.Op, out history.Outcome, values []string, version string) {
	switch {
	case out == history.OK && op.Kind != history.Delete:
		s.versions[op.Key], s.seen[op.Key] = version, values
		if op.Kind == history.Put {
			s.seen[op.Key] = []string{op.Value}
		}
	case out != history.Unknown:
		delete(s.versions, op.Key)
	}
}

// outcome is what an error means. Refused is only what nothing can have been written of; it is a failure of the load.
func outcome(err error) history.Outcome {
	var known *ring.Error
	switch {
	case err == nil:
		return history.OK
	case !errors.As(err, &known):
		return history.Unknown
	}
	switch known.Code {
	case ring.NotFound:
		return history.NotFound
	case ring.Conflict:
		return history.Conflict
	case ring.Denied, ring.Invalid, ring.TooLarge:
		return history.Refused
	}
	return history.Unknown
}

// judge reads every key through every node and lets the history's checker decide.
func (c *cluster) judge() {
	c.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var finals []history.Final
	for _, n := range c.up() {
		wg.Go(func() {
			own := n.finals()
			mu.Lock()
			defer mu.Unlock()
			finals = append(finals, own...)
		})
	}
	wg.Wait()
	ops := c.log.Ops()
	bad := history.Check(ops, finals)
	for i, err := range bad {
		if i == 20 {
			c.t.Errorf("... and %d more violations", len(bad)-i)
			break
		}
		c.t.Error(err)
	}
	c.t.Logf("judged %d operations by %d final reads of %d keys", len(ops), len(finals), len(c.keys))
}

// finals reads every key through one node.
func (n *node) finals() (out []history.Final) {
	c := n.c
	for _, key := range c.keys {
		ctx, cancel := context.WithTimeout(c.ctx, 15*time.Second)
		f := history.Final{Node: fmt.Sprint(n.number), Key: key}
		if client, err := n.dial(); err == nil {
			f.Values, f.Version, err = read(ctx, client, key, "")
			f.Outcome = outcome(err)
		}
		cancel()
		if !isSet(key) {
			out = append(out, f)
			continue
		}
		out = append(out, c.members(f)...)
	}
	return out
}

// members is a final read of a set, as reads of its members: of all that somebody tried to add, or that are there.
func (c *cluster) members(set history.Final) (out []history.Final) {
	names := map[string]bool{}
	for _, op := range c.log.Ops() {
		if strings.HasPrefix(op.Key, set.Key+"/") {
			names[op.Value] = true
		}
	}
	for _, v := range set.Values {
		names[v] = true
	}
	for v := range names {
		f := history.Final{Node: set.Node, Key: set.Key + "/" + v, Outcome: set.Outcome}
		if slices.Contains(set.Values, v) {
			f.Values, f.Version = []string{v}, set.Version
		} else if f.Outcome == history.OK {
			f.Outcome = history.NotFound
		}
		out = append(out, f)
	}
	return out
}
