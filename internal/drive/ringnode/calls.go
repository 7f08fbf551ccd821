package ringnode

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Limits of what programs ask for on their streams of calls.
const (
	maxCalls    = 64        // of one stream under way at once; more are answered Busy
	callQueue   = 8 << 20   // bytes of replies that wait for their reader before no more calls are read
	maxCallData = 256 << 20 // bytes of all values and replies in hand; what comes beyond is answered Busy
)

// frameCall is the kind of frame in both directions of a stream of calls.
const frameCall byte = 32

// caller serves the calls of one stream. The goroutine that reads them begins the operations, whoever brings the last acknowledgement
// ends one, and neither waits for the other or for anybody else.
type caller struct {
	n       *Node
	conn    *quic.Conn
	s       *quic.Stream
	access  func() Access // what the program may do just now
	out     *outbox
	running map[uint64]running // calls under way; guarded by n.mu
}

// running is what a call under way has begun.
type running struct {
	op   uint64
	size int // of its value
}

// serveCalls serves a stream of calls to its end. An error is the other side's fault.
func (n *Node) serveCalls(conn *quic.Conn, s *quic.Stream, access func() Access, budget *bucket) error {
	c := &caller{n: n, conn: conn, s: s, access: access, out: newOutbox(nil, math.MaxInt, ringwire.MaxReplyFrame), running: make(map[uint64]running)}
	c.out.total = &n.callBytes
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer n.recovered("writing replies", nil)
		defer c.stop() // before the reader does, by an error: it would wait for room
		_ = c.out.write(s, done, n.counters.sent)
	})
	err := c.read(bufio.NewReaderSize(s, 32<<10), budget)
	n.step("ending the calls of a stream", func(now time.Duration) {
		for id := range c.running {
			c.cancel(now, id)
		}
	})
	close(done)
	c.stop()
	s.CancelWrite(0)
	writer.Wait()
	return err
}

// stop ends the reader.
func (c *caller) stop() {
	c.out.close()
	c.s.CancelRead(0)
}

// cancel forgets a call; mu is held.
func (c *caller) cancel(now time.Duration, id uint64) {
	if r, ok := c.running[id]; ok {
		delete(c.running, id)
		delete(c.n.ops, r.op)
		c.n.data.Cancel(now, r.op)
		c.n.callBytes.Add(-int64(r.size))
	}
}

// read takes calls in until the stream ends.
func (c *caller) read(in *bufio.Reader, budget *bucket) error {
	var buf []byte
	var batch []*operation
	for {
		kind, payload, err := ringwire.ReadFrame(in, ringwire.MaxCallFrame, buf)
		if err != nil {
			return c.n.badFrame(err)
		}
		buf = trim(payload)
		c.n.counters.receivedBytes.Add(uint64(len(payload) + ringwire.FrameHeader))
		budget.take(c.conn.Context(), len(payload))
		var call *ringwire.Call
		if kind != frameCall {
			err = fmt.Errorf("call: %w: kind %d", ringwire.ErrMalformed, kind)
		} else {
			call, err = ringwire.ParseCall(payload)
		}
		if err != nil {
			return c.n.badFrame(err)
		}
		batch = append(batch, c.n.operation(call))
		if len(batch) >= batchFrames || !frameWaits(in) {
			c.out.await(callQueue)
			c.begin(batch)
			clear(batch)
			batch = batch[:0]
		}
	}
}

// operation is a call as the machines take it.
type operation struct {
	id     uint64
	cancel bool
	size   int   // of the value in it
	begin  begin // nil: err says why not
	err    error
	reply  func(r replica.Result, s ringSize) (*ringwire.Reply, error)
}

// operation prepares what a call asks for.
func (n *Node) operation(c *ringwire.Call) *operation {
	o := &operation{id: c.ID, size: len(c.Value)}
	key := c.Key
	switch c.Kind {
	case ringwire.CallGet:
		options := ringapi.GetOptions{Siblings: c.Siblings, Sample: c.Sample, AtLeast: c.Version}
		o.begin, o.err = n.getting(key, options)
		o.reply = func(r replica.Result, s ringSize) (*ringwire.Reply, error) {
			got, err := n.got(key, r, options, s, nil)
			return replyOfGet(got), err
		}
	case ringwire.CallPut:
		var p putOptions
		if p, o.err = n.userPut(key, ringapi.PutOptions{TTL: c.TTL, IfVersion: c.Version, Set: c.Set}); o.err == nil {
			o.begin = n.putting(key, c.Value, p)
		}
		o.reply = func(r replica.Result, _ ringSize) (*ringwire.Reply, error) {
			return n.replyOfWrite(key, r, p.set, false, p.cond)
		}
	case ringwire.CallDelete:
		var condition replica.Condition
		o.begin, condition, o.err = n.deleting(key, c.Version)
		o.reply = func(r replica.Result, _ ringSize) (*ringwire.Reply, error) {
			return n.replyOfWrite(key, r, false, true, condition)
		}
	case ringwire.CallCancel:
		o.cancel = true
	}
	return o
}

// begin begins operations, or answers at once why not.
func (c *caller) begin(batch []*operation) {
	n := c.n
	if c.access() < AccessData {
		n.counters.refused.Add(1)
		c.refuse(batch, errNoRight)
		return
	}
	began := false
	n.step("beginning calls", func(now time.Duration) {
		began = true
		for _, o := range batch {
			if o.cancel {
				c.cancel(now, o.id)
			} else {
				c.beginOne(now, o)
			}
		}
	})
	if !began {
		c.refuse(batch, n.state())
	}
}

// refuse answers calls with an error.
func (c *caller) refuse(batch []*operation, err error) {
	for _, o := range batch {
		if !o.cancel {
			c.answer(o, nil, err)
		}
	}
	c.out.flush()
}

// beginOne begins an operation; mu is held.
func (c *caller) beginOne(now time.Duration, o *operation) {
	n := c.n
	_, twice := c.running[o.id]
	switch {
	case o.err != nil:
	case twice:
		o.err = &ringapi.Error{Code: ringapi.Invalid, Message: "a call with this number is under way"}
	case len(c.running) >= maxCalls:
		o.err = &ringapi.Error{Code: ringapi.Busy, Message: fmt.Sprintf("more than %d calls of one connection at once", maxCalls), Hint: "try again in a second"}
	case n.callBytes.Load()+int64(o.size) > maxCallData:
		o.err = errCallData
	}
	if o.err != nil {
		n.after.results = append(n.after.results, func() { c.answer(o, nil, o.err) })
		n.after.post(c.out)
		return
	}
	op := n.nextSeq()
	c.running[o.id] = running{op, o.size}
	n.callBytes.Add(int64(o.size))
	n.ops[op] = func(r replica.Result) { // mu is held again
		delete(c.running, o.id)
		n.callBytes.Add(-int64(o.size))
		s := n.size()
		n.after.results = append(n.after.results, func() {
			reply, err := o.reply(r, s)
			c.answer(o, reply, err)
		})
		n.after.post(c.out)
	}
	o.begin(now, op, now+n.cfg.Timeout)
}

// errNoRight is the answer to who was let in by a token that is no good any more.
var errNoRight = &ringapi.Error{Code: ringapi.Denied, Message: "the token with which this connection was made is no good any more", Hint: "connect with another one"}

var errCallData = &ringapi.Error{Code: ringapi.Busy, Message: "too much is being read and written through this node just now", Hint: "try again in a second"}

// answer posts a reply.
func (c *caller) answer(o *operation, reply *ringwire.Reply, err error) {
	if err == nil && c.n.callBytes.Load() > maxCallData {
		err = errCallData
	}
	if err != nil {
		reply = replyOfError(err)
	}
	reply.ID = o.id
	if !c.out.post(frameCall, func(_ *namer, b []byte) []byte { return reply.Append(b) }) {
		c.stop() // who waits for it must learn that it does not come
	}
}

func replyOfError(err error) *ringwire.Reply {
	e := &ringapi.Error{Code: ringapi.Failed, Message: err.Error()}
	errors.As(err, &e)
	return &ringwire.Reply{Code: string(e.Code), Message: e.Message, Hint: e.Hint, Version: e.Version}
}

func replyOfGet(g *ringapi.Get) *ringwire.Reply {
	if g == nil {
		return nil
	}
	p := &ringwire.Reply{Version: g.Version, Value: g.Value, Siblings: g.Siblings, Members: g.Members, MemberCount: g.MemberCount, Owner: g.Owner,
		Hops: g.Hops, ExpectedHops: g.ExpectedHops}
	if g.TTL != nil {
		p.Left = max(1, time.Duration(*g.TTL*float64(time.Second)))
	}
	return p
}

func (n *Node) replyOfWrite(key string, r replica.Result, set, deletion bool, c replica.Condition) (*ringwire.Reply, error) {
	if r.Status != replica.OK {
		return nil, writeError(key, r, set, deletion, c)
	}
	p := n.wrote(key, r)
	return &ringwire.Reply{Version: p.Version, Acks: p.Acks, Holders: p.Holders, Replicas: p.Replicas}, nil
}
