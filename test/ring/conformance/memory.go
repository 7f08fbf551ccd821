package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// Memory is a ring of one host without disk or network: the least that passes the suite, and what tests of the interface's
// other parts ask. The zero value is ready; it is safe for concurrent use.
type Memory struct {
	// Fail, where it is not nil, is asked before every operation; what it returns is that operation's result.
	Fail func(operation string) error

	mu      sync.Mutex
	counter int
	entries map[string]*entry
	ends    map[string]string // versions of deletions
	changed chan struct{}     // closed at the next change
	tokens  map[string]bool
	evicted []string
	left    bool
}

// entry is a key that exists.
type entry struct {
	version string
	values  []mortal // of a register, several are siblings
	isSet   bool
}

// mortal is a value that may have an end.
type mortal struct {
	value    []byte
	deadline time.Time // zero = none
}

// begin is the start of every operation: the caller holds the lock afterwards unless it fails.
func (m *Memory) begin(ctx context.Context, operation string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Fail != nil {
		if err := m.Fail(operation); err != nil {
			return err
		}
	}
	m.mu.Lock()
	if m.entries == nil {
		m.entries, m.tokens, m.ends = map[string]*entry{}, map[string]bool{}, map[string]string{}
	}
	return nil
}

// find returns what is there now, or nil.
func (m *Memory) find(key string) *entry {
	e := m.entries[key]
	if e == nil {
		return nil
	}
	now := time.Now()
	e.values = slices.DeleteFunc(e.values, func(v mortal) bool { return !v.deadline.IsZero() && !now.Before(v.deadline) })
	if len(e.values) == 0 {
		delete(m.entries, key)
		return nil
	}
	return e
}

func checkKey(key string) error {
	if key == "" || len(key) > ringapi.MaxKey {
		return &ringapi.Error{Code: ringapi.Invalid, Message: fmt.Sprintf("a key of %d bytes", len(key))}
	}
	return nil
}

// Get implements ringhttp.Service.
func (m *Memory) Get(ctx context.Context, key string, options ringapi.GetOptions) (*ringapi.Get, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := m.begin(ctx, "get"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if options.AtLeast != "" {
		var seen int
		if _, err := fmt.Sscanf(options.AtLeast, memoryVersion, &seen); err != nil {
			return nil, &ringapi.Error{Code: ringapi.Invalid, Message: "that is no version"}
		}
		if seen > m.counter {
			return nil, &ringapi.Error{Code: ringapi.TooFew, Message: "nobody has seen this version"}
		}
	}
	return m.look(key, options)
}

func (m *Memory) look(key string, options ringapi.GetOptions) (*ringapi.Get, error) {
	e := m.find(key)
	if e == nil {
		return nil, &ringapi.Error{Code: ringapi.NotFound, Message: "the key does not exist"}
	}
	got := &ringapi.Get{Key: key, Version: e.version, Owner: memoryNode.ID, Siblings: [][]byte{}, Path: []ringapi.Hop{}}
	var values [][]byte
	for _, v := range e.values {
		values = append(values, v.value)
	}
	if options.Trace {
		got.Path, got.Hops, got.ExpectedHops = []ringapi.Hop{{ID: memoryNode.ID, Addr: memoryNode.Addr, RTTms: 0.5}}, 1, 1.5
	}
	switch {
	case e.isSet:
		sample := options.Sample
		if sample == 0 {
			sample = ringapi.Sample
		}
		if sample < 0 {
			sample = len(values)
		}
		got.MemberCount, got.Members = len(values), values[:min(sample, len(values))]
	case len(values) == 1:
		got.Value = values[0]
		if end := e.values[0].deadline; !end.IsZero() {
			left := time.Until(end).Seconds()
			got.TTL = &left
		}
	case !options.Siblings:
		return nil, &ringapi.Error{Code: ringapi.Conflict, Message: fmt.Sprintf("the key has %d concurrent values", len(values)),
			Hint: "ask for the siblings, and put what they should become", Version: e.version}
	default:
		got.Siblings = values
	}
	return got, nil
}

var memoryNode = ringapi.Node{ID: "0123abcd", Addr: "127.0.0.1:1"}

// Put implements ringhttp.Service.
func (m *Memory) Put(ctx context.Context, key string, value []byte, options ringapi.PutOptions) (*ringapi.Put, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if len(value) > ringapi.MaxValue {
		return nil, &ringapi.Error{Code: ringapi.TooLarge, Message: "more than 1 MiB"}
	}
	if err := m.begin(ctx, "put"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e := m.find(key)
	if err := holds(e, options.IfVersion); err != nil {
		return nil, err
	}
	if e == nil || !options.Set {
		e = &entry{isSet: options.Set}
		m.entries[key] = e
	}
	added := mortal{value: append([]byte{}, value...)}
	if options.TTL > 0 {
		added.deadline = time.Now().Add(options.TTL)
	}
	e.values = slices.DeleteFunc(e.values, func(v mortal) bool { return string(v.value) == string(value) }) // as a member it gets a new end
	e.values = append(e.values, added)
	e.version = m.next()
	return m.written(key, e.version), nil
}

// holds checks a condition against what is there.
func holds(e *entry, ifVersion string) error {
	have := ringapi.None
	if e != nil {
		have = e.version
	}
	if ifVersion == "" || ifVersion == have {
		return nil
	}
	conflict := &ringapi.Error{Code: ringapi.Conflict, Message: "the key has another version", Hint: "read it again, and decide anew"}
	if e != nil {
		conflict.Version = e.version
	}
	return conflict
}

// next returns a new version, and wakes the watchers.
func (m *Memory) next() string {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	m.counter++
	return fmt.Sprintf(memoryVersion, m.counter)
}

// memoryVersion is what a version looks like here: with characters that a query has to escape.
const memoryVersion = "v%d.x+/="

func (m *Memory) written(key, version string) *ringapi.Put {
	return &ringapi.Put{Key: key, Version: version, Acks: 1, Replicas: []string{memoryNode.Addr}, Holders: 1}
}

// SetSiblings makes a key have concurrent values, which no operation of one client can.
func (m *Memory) SetSiblings(key string, values ...[]byte) {
	_ = m.begin(context.Background(), "siblings")
	defer m.mu.Unlock()
	e := &entry{version: m.next()}
	for _, v := range values {
		e.values = append(e.values, mortal{value: v})
	}
	m.entries[key] = e
}

// Delete implements ringhttp.Service.
func (m *Memory) Delete(ctx context.Context, key string, ifVersion string) (*ringapi.Put, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := m.begin(ctx, "delete"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e := m.find(key)
	if err := holds(e, ifVersion); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, &ringapi.Error{Code: ringapi.NotFound, Message: "the key does not exist"}
	}
	delete(m.entries, key)
	m.ends[key] = m.next()
	return m.written(key, m.ends[key]), nil
}

// Watch implements ringhttp.Service.
func (m *Memory) Watch(ctx context.Context, key string, since string, each func(*ringapi.Get) error) error {
	if err := checkKey(key); err != nil {
		return err
	}
	told := since
	for first := true; ; first = false {
		if err := m.begin(ctx, "watch"); err != nil {
			return err
		}
		got, err := m.look(key, ringapi.GetOptions{Siblings: true, Sample: -1})
		if err != nil {
			got = &ringapi.Get{Key: key, Version: m.ends[key], Deleted: true}
		}
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		changed := m.changed
		m.mu.Unlock()
		if got.Version != told || first && since == "" {
			if err := each(got); err != nil {
				return err
			}
			told = got.Version
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Status implements ringhttp.Service.
func (m *Memory) Status(ctx context.Context) (*ringapi.Status, error) {
	if err := m.begin(ctx, "status"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return &ringapi.Status{ID: memoryNode.ID, Addr: memoryNode.Addr, Successors: []ringapi.Node{memoryNode}, Fingers: []ringapi.Node{},
		Keys: len(m.entries), Members: 1, State: ringapi.StateDegraded, Reasons: []string{"1 of 3 hosts"},
		Counters: map[string]uint64{"requests": 7}}, nil
}

// Check implements ringhttp.Service.
func (m *Memory) Check(ctx context.Context) (*ringapi.Check, error) {
	if err := m.begin(ctx, "check"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return &ringapi.Check{OK: true, Members: []ringapi.Node{memoryNode}, Hosts: 1, Keys: len(m.entries), Problems: []string{}}, nil
}

// Leave implements ringhttp.Service.
func (m *Memory) Leave(ctx context.Context) error {
	if err := m.begin(ctx, "leave"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.left = true
	return nil
}

// NewToken implements ringhttp.Service.
func (m *Memory) NewToken(ctx context.Context, ttl time.Duration, client bool) (*ringapi.Token, error) {
	if err := m.begin(ctx, "token"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if ttl == 0 {
		ttl = 24 * time.Hour
	}
	id := rand.Text()[:8]
	m.tokens[id] = client
	return &ringapi.Token{ID: id, Token: "eddyring1-" + id, Expires: time.Now().Add(ttl).UTC().Truncate(time.Second)}, nil
}

// RevokeToken implements ringhttp.Service.
func (m *Memory) RevokeToken(ctx context.Context, id string) error {
	if err := m.begin(ctx, "revoke"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, ok := m.tokens[id]; !ok {
		return &ringapi.Error{Code: ringapi.NotFound, Message: "there is no such token"}
	}
	delete(m.tokens, id)
	return nil
}

// Evict implements ringhttp.Service.
func (m *Memory) Evict(ctx context.Context, node string) error {
	if err := m.begin(ctx, "evict"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if node != memoryNode.ID {
		return &ringapi.Error{Code: ringapi.NotFound, Message: "there is no such member"}
	}
	m.evicted = append(m.evicted, node)
	return nil
}

// Rotate implements ringhttp.Service.
func (m *Memory) Rotate(ctx context.Context) (*ringapi.Token, error) {
	if err := m.begin(ctx, "rotate"); err != nil {
		return nil, err
	}
	clear(m.tokens)
	m.mu.Unlock()
	return m.NewToken(ctx, 0, false)
}

// Gone returns what was asked of the membership: who was evicted, and whether the node was told to leave.
func (m *Memory) Gone() (evicted []string, left bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.evicted), m.left
}
