package history_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
	"github.com/eddy-p2p/eddy/test/ring/history"
)

// load is clients that read and write a few keys through random hosts.
type load struct {
	c      *cluster
	log    history.Log
	keys   int
	until  time.Duration
	values int
	think  time.Duration
	gets   int // of them
	failed int // with an unknown outcome
}

// client is one of them: what it knows of each key.
type client struct {
	l        *load
	number   int
	versions map[string]ringwire.Context
	seen     map[string][]string
	sessions map[string]ringwire.Context // all that it was ever told, deletes too: what its reads must have seen
}

func (c *cluster) startLoad(clients, keys int, think, d time.Duration) *load {
	l := &load{c: c, keys: keys, until: c.now + d, think: think}
	for i := range clients {
		cl := &client{l: l, number: i, versions: map[string]ringwire.Context{}, seen: map[string][]string{}, sessions: map[string]ringwire.Context{}}
		c.at(c.between(0, think), cl.next)
	}
	return l
}

// someHost is a running host that takes part.
func (c *cluster) someHost() *host {
	var up []*host
	for _, h := range c.hosts {
		if h.up() && h.member && !h.rogue {
			up = append(up, h)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[c.rng.IntN(len(up))]
}

// next begins an operation, and the next one when that has ended.
func (cl *client) next() {
	l, c := cl.l, cl.l.c
	if c.now >= l.until {
		return
	}
	h := c.someHost()
	if h == nil {
		c.at(l.think, cl.next)
		return
	}
	key := fmt.Sprint("key", c.rng.IntN(l.keys))
	op := history.Op{Client: cl.number, Node: fmt.Sprint(h.id), Key: key, Invoke: int64(c.now)}
	deadline := c.now + c.between(1*time.Second, 4*time.Second)
	known := cl.versions[key]
	var cond replica.Condition
	roll := c.rng.IntN(100)
	switch {
	case roll < 45:
		op.Kind = history.Get
		l.gets++
	case roll < 85:
		op.Kind = history.Put
		l.values++
		op.Value = fmt.Sprint("v", l.values)
	default:
		op.Kind = history.Delete
	}
	if op.Kind != history.Get && len(known) > 0 && roll%3 == 0 {
		cond.Version, op.If, op.IfSeen = known, known.String(), cl.seen[key]
	} else if op.Kind == history.Put && roll%7 == 0 {
		cond.Absent, op.If = true, "none"
	}
	covers := cl.sessions[key]
	switch {
	case op.Kind == history.Get:
		op.Session = covers.String()
	case op.If == known.String():
		op.Session = op.If
	}
	if c.opt.mutant == deafToSessions {
		covers = nil
	}
	i := l.log.Invoke(op)
	end := func(res replica.Result, ok bool) {
		cl.ended(i, &op, res, ok)
		c.at(c.between(0, 2*l.think), cl.next)
	}
	c.op(h, end, func(id uint64) {
		switch op.Kind {
		case history.Get:
			h.r.Get(c.now, id, replica.Get{Key: key, Covers: covers, Deadline: deadline})
		case history.Put:
			h.r.Put(c.now, id, replica.Put{Key: key, Value: []byte(op.Value), If: cond, Deadline: deadline})
		case history.Delete:
			h.r.Delete(c.now, id, replica.Delete{Key: key, If: cond, Deadline: deadline})
		}
	})
}

// ended logs the end of an operation and remembers what the client learned.
func (cl *client) ended(i int, op *history.Op, res replica.Result, ok bool) {
	out := outcomeOf(res.Status)
	if !ok {
		out = history.Unknown
	}
	if out == history.Unknown && op.Kind == history.Get {
		cl.l.failed++
	}
	values := valuesOf(res.Record)
	if op.Kind != history.Get {
		values = nil
	}
	version := res.Version.String()
	if op.Kind == history.Get && version == "" {
		version = "nothing was ever here" // covers nothing
	}
	cl.l.log.End(i, int64(cl.l.c.now), out, values, version)
	if out == history.OK || out == history.NotFound {
		cl.sessions[op.Key] = cl.sessions[op.Key].Join(res.Version)
	}
	if out == history.OK && op.Kind != history.Delete {
		cl.versions[op.Key], cl.seen[op.Key] = res.Version, values
		if op.Kind == history.Put {
			cl.seen[op.Key] = []string{op.Value}
		}
	} else if out != history.Unknown {
		delete(cl.versions, op.Key)
	}
}

func outcomeOf(s replica.Status) history.Outcome {
	switch s {
	case replica.OK:
		return history.OK
	case replica.NotFound:
		return history.NotFound
	case replica.Conflict:
		return history.Conflict
	case replica.TooFew, replica.Behind:
		return history.Unknown
	}
	return history.Refused
}

func valuesOf(rec *ringwire.Record) (values []string) {
	for _, v := range rec.Live() {
		values = append(values, string(v.Value))
	}
	slices.Sort(values)
	return values
}

// finals reads every key through every host, one after the other.
func (l *load) finals() (out []history.Final) {
	c := l.c
	for k := range l.keys {
		key := fmt.Sprint("key", k)
		for _, h := range c.hosts {
			if !h.up() || !h.member || h.rogue {
				continue
			}
			f, ended := history.Final{Node: fmt.Sprint(h.id), Key: key}, false
			c.op(h, func(res replica.Result, _ bool) {
				ended = true
				f.Outcome, f.Values, f.Version = outcomeOf(res.Status), valuesOf(res.Record), res.Version.String()
			}, func(id uint64) { h.r.Get(c.now, id, replica.Get{Key: key, Deadline: c.now + 5*time.Second}) })
			for end := c.now + 5*time.Second; !ended && c.now <= end; {
				c.run(10 * time.Millisecond)
			}
			out = append(out, f)
		}
	}
	return out
}

// replicas compares what the disks hold: every record on exactly its R holders, the same on each.
func (c *cluster) replicas(keys int) (bad []error) {
	for k := range keys {
		key := fmt.Sprint("key", k)
		pos := ringwire.Space{}.Hash(ringwire.KeyTag, []byte(key))
		var first *ringwire.Record
		for _, h := range c.hosts {
			if !h.up() || h.rogue {
				continue
			}
			holders, _ := h.Holders(pos, c.opt.replicas, nil)
			mine := slices.ContainsFunc(holders, func(x ringwire.Ref) bool { return x.Host == h.id })
			rec := h.disk.read(key)
			switch {
			case !mine && rec != nil:
				bad = append(bad, fmt.Errorf("host %d still has %s, which is not its own", h.id, key))
			case mine && first == nil:
				first = rec
				if rec == nil {
					first = &ringwire.Record{}
				}
			case mine && rec.Digest() != first.Digest():
				bad = append(bad, fmt.Errorf("replicas differ (4): host %d has %s of %s", h.id, list(rec), key))
			}
		}
	}
	return bad
}

func list(rec *ringwire.Record) string { return fmt.Sprint(valuesOf(rec)) }
