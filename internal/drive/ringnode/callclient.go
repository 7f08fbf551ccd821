package ringnode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// callStream is the client's end of a stream of calls: any number of goroutines ask on it at once.
type callStream struct {
	conn  *quic.Conn
	s     *quic.Stream
	out   *outbox
	slots chan struct{} // a token each call under way
	down  chan struct{} // closed when it has ended

	mu      sync.Mutex
	waiting map[uint64]chan *ringwire.Reply
	last    uint64
	why     error // of the end
}

// callStream returns the stream of calls, making it, and the connection, if there is none.
func (c *Client) callStream(ctx context.Context) (*callStream, error) {
	c.mu.Lock()
	if cs := c.calls; cs != nil && cs.conn == c.conn && cs.reason() == nil {
		c.mu.Unlock()
		return cs, nil
	}
	c.mu.Unlock()
	conn, s, err := c.open(ctx, streamCall)
	if err != nil {
		return nil, err
	}
	cs := &callStream{conn: conn, s: s, out: newOutbox(nil, callQueue, ringwire.MaxCallFrame), slots: make(chan struct{}, maxCalls), down: make(chan struct{}),
		waiting: make(map[uint64]chan *ringwire.Reply)}
	c.mu.Lock()
	if other := c.calls; other != nil && other.conn == conn && other.reason() == nil { // somebody was faster
		c.mu.Unlock()
		s.CancelRead(0)
		s.Close()
		return other, nil
	}
	c.calls = cs
	c.mu.Unlock()
	go func() { cs.end(cs.out.write(s, cs.down, func(int) {})) }()
	go func() { cs.end(cs.read()) }()
	return cs, nil
}

func (cs *callStream) reason() error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.why
}

// end ends the stream; those who wait learn it by down.
func (cs *callStream) end(why error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.why != nil {
		return
	}
	if cs.why = why; why == nil {
		cs.why = errors.New("the stream ended")
	}
	cs.out.close()
	close(cs.down)
	cs.s.CancelRead(0)
	cs.s.CancelWrite(0)
}

// read hands replies to those who wait for them.
func (cs *callStream) read() error {
	in := bufio.NewReaderSize(cs.s, 32<<10)
	var buf []byte
	for {
		kind, payload, err := ringwire.ReadFrame(in, ringwire.MaxReplyFrame, buf)
		if err != nil {
			return err
		}
		buf = trim(payload)
		if kind != frameCall {
			return fmt.Errorf("reply: %w: kind %d", ringwire.ErrMalformed, kind)
		}
		reply, err := ringwire.ParseReply(payload)
		if err != nil {
			return err
		}
		cs.mu.Lock()
		ch := cs.waiting[reply.ID]
		delete(cs.waiting, reply.ID)
		cs.mu.Unlock()
		if ch != nil { // else nobody waits any more
			ch <- reply
		}
	}
}

// ask sends a call and waits for its reply. sent reports whether the node may have got it.
func (cs *callStream) ask(ctx context.Context, call ringwire.Call) (reply *ringwire.Reply, sent bool, err error) {
	select {
	case cs.slots <- struct{}{}:
		defer func() { <-cs.slots }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-cs.down:
		return nil, false, cs.reason()
	}
	ch := make(chan *ringwire.Reply, 1)
	cs.mu.Lock()
	cs.last++
	call.ID = cs.last
	cs.waiting[call.ID] = ch
	cs.mu.Unlock()
	if !cs.post(&call) {
		cs.forget(call.ID)
		return nil, false, errors.New("the stream ended")
	}
	select {
	case reply := <-ch:
		return reply, true, nil
	case <-ctx.Done():
		cs.forget(call.ID)
		cs.post(&ringwire.Call{Kind: ringwire.CallCancel, ID: call.ID})
		return nil, true, ctx.Err()
	case <-cs.down:
		return nil, true, closeReason(cs.conn, cs.reason())
	}
}

func (cs *callStream) forget(id uint64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.waiting, id)
}

// post sends a call. What waits is bounded by maxCalls and the size of a call.
func (cs *callStream) post(call *ringwire.Call) bool {
	ok := cs.out.post(frameCall, func(_ *namer, b []byte) []byte { return call.Append(b) })
	cs.out.flush()
	return ok
}

// call asks the node. A connection that broke is made anew, once; a write that may have arrived is not repeated.
func (c *Client) call(ctx context.Context, call ringwire.Call) (*ringwire.Reply, error) {
	for try := 0; ; try++ {
		cs, err := c.callStream(ctx)
		if err != nil {
			return nil, err
		}
		reply, sent, err := cs.ask(ctx, call)
		switch {
		case err == nil && reply.Code != "":
			return nil, &ringapi.Error{Code: ringapi.Code(reply.Code), Message: reply.Message, Hint: reply.Hint, Version: reply.Version}
		case err == nil:
			return reply, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case try > 0 || sent && call.Kind != ringwire.CallGet:
			return nil, &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("the node %s does not answer: %v", c.addr, err),
				Hint: "is it running, and is this its address?"}
		}
	}
}

// Get reads a key. It takes all options but Trace.
func (c *Client) Get(ctx context.Context, key string, o ringapi.GetOptions) (*ringapi.Get, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if _, err := ringwire.ParseContext(o.AtLeast); err != nil {
		return nil, errAtLeast
	}
	p, err := c.call(ctx, ringwire.Call{Kind: ringwire.CallGet, Key: key, Siblings: o.Siblings, Sample: o.Sample, Version: o.AtLeast})
	if err != nil {
		return nil, err
	}
	out := &ringapi.Get{Key: key, Value: p.Value, Version: p.Version, Siblings: p.Siblings, Members: p.Members, MemberCount: p.MemberCount, Owner: p.Owner,
		Path: []ringapi.Hop{}, Hops: p.Hops, ExpectedHops: p.ExpectedHops}
	if out.Siblings == nil {
		out.Siblings = [][]byte{}
	}
	if p.Left > 0 {
		left := p.Left.Seconds()
		out.TTL = &left
	}
	return out, nil
}

// Put writes a register, or adds a member to a set.
func (c *Client) Put(ctx context.Context, key string, value []byte, o ringapi.PutOptions) (*ringapi.Put, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if _, err := condition(o.IfVersion); err != nil {
		return nil, err
	}
	if len(value) > ringapi.MaxValue {
		return nil, &ringapi.Error{Code: ringapi.TooLarge, Message: fmt.Sprintf("the value has %d bytes; at most 1 MiB is allowed", len(value))}
	}
	return c.write(ctx, ringwire.Call{Kind: ringwire.CallPut, Key: key, Set: o.Set, TTL: o.TTL, Version: o.IfVersion, Value: value})
}

// Delete removes a key.
func (c *Client) Delete(ctx context.Context, key string, ifVersion string) (*ringapi.Put, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if _, err := condition(ifVersion); err != nil {
		return nil, err
	}
	return c.write(ctx, ringwire.Call{Kind: ringwire.CallDelete, Key: key, Version: ifVersion})
}

func (c *Client) write(ctx context.Context, call ringwire.Call) (*ringapi.Put, error) {
	p, err := c.call(ctx, call)
	if err != nil {
		return nil, err
	}
	out := &ringapi.Put{Key: call.Key, Version: p.Version, Acks: p.Acks, Holders: p.Holders, Replicas: p.Replicas}
	if out.Replicas == nil {
		out.Replicas = []string{}
	}
	return out, nil
}
