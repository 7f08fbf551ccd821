package ringnode

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestOvertakenDial: a host that comes back connects by itself while it is being dialled, which ends that dial's link. The connection that the dial
// brings nonetheless must end too: the other side might send on it, and nobody would hear that.
func TestOvertakenDial(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 2})
	whole(t, nodes[0], 3)
	a, b := nodes[0], nodes[1]
	for _, pair := range [][2]*live{{a, b}, {b, a}} { // one of the two has the lesser key, on whose connections both send
		from, to := pair[0], pair[1]
		h, _, known := from.hosts.find(to.papers().certificate.Public)
		if !known {
			t.Fatal("a member is not known")
		}
		l := newLink(from.hosts, h, true)
		l.close(codeReplaced, errReplaced)
		done := make(chan error, 1)
		go func() { done <- from.links.connect(t.Context(), l) }()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Minute): // a bound for what is broken, not a measure
			t.Fatal("a connection is served though its link was closed before it was there")
		}
	}
	whole(t, a, 3)
	whole(t, b, 3)
}

// TestDialsOfTheDead: when many hosts fail together, one that is there is reached before the dials of the others have come to their end.
func TestDialsOfTheDead(t *testing.T) {
	nodes := grow(t, 2, Config{Vnodes: 1, Replicas: 1})
	l := nodes[0]
	silent, err := net.ListenPacket("udp", "127.0.0.1:0") // says nothing, nor does it refuse
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := &Node{cfg: l.cfg, log: l.log, transport: l.transport, hosts: l.hosts, trust: l.trust, verifier: l.verifier, stopped: true}
	other.links = newLinks(other)
	ctx, cancel := context.WithCancel(t.Context())
	other.links.ctx = ctx
	defer other.links.end()
	defer cancel()
	id := l.trust.identity()
	dead := make([]ringwire.Host, 3*dialAtOnce)
	for i := range dead {
		trust, p := member(t, &id)
		p.presence = ringwire.Presence{Incarnation: 1, Addr: addrPort(silent.LocalAddr())}
		p.presence.Sign(id.ring(), trust.identity().key)
		if dead[i], err = l.hosts.learn(p.certificate, p.presence); err != nil {
			t.Fatal(err)
		}
		other.links.to(dead[i])
	}
	living, _, _ := l.hosts.find(nodes[1].papers().certificate.Public)
	eventually(t, "the host that is there is not reached", func() error {
		k := other.links.to(living)
		if k == nil {
			return errors.New("no link")
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.conn == nil {
			return errors.New("not yet")
		}
		return nil
	})
	if failed := other.counters.dialFailures.Load(); failed > dialAtOnce {
		t.Errorf("it was reached after %d of %d dials had failed", failed, len(dead))
	}
	// Who did not answer the last time takes none of the others' places.
	eventually(t, "the dials of the dead do not fail", func() error {
		if other.counters.dialFailures.Load() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	doubtful := 0
	for _, h := range dead {
		if other.links.slotsFor(h) == other.links.doubt {
			doubtful++
		}
	}
	if doubtful == 0 || other.links.slotsFor(living) != other.links.slots {
		t.Errorf("%d hosts are in doubt", doubtful)
	}
}

// TestCrowdedDial: a dial that gets no place is given up, and tells nothing about its host.
func TestCrowdedDial(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	other := &Node{cfg: l.cfg, log: l.log, hosts: l.hosts, trust: l.trust, stopped: true}
	other.links = newLinks(other)
	for range dialAtOnce {
		other.links.slots <- struct{}{}
	}
	k := newLink(other.hosts, 7, true)
	other.links.dial(t.Context(), k)
	if !errors.Is(k.reason(), errCrowded) || other.counters.dialFailures.Load() != 0 || len(other.links.fails) != 0 {
		t.Errorf("ended by %v, %d failures", k.reason(), other.counters.dialFailures.Load())
	}
}

// TestStrangerCannotEvict: whoever sits at a member's address, because that member is gone or the way to it is in his hands, makes no node believe
// that it was evicted. He proves nothing, and closes the connection with the code of an eviction.
func TestStrangerCannotEvict(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	stranger, err := listen(mustAddr("127.0.0.1:0"), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.close()
	go func() {
		for hears := false; ; hears = !hears { // the first one before a word is said, the second one after the greeting
			conn, err := stranger.ln.Accept(t.Context())
			if err != nil {
				return
			}
			if s, err := conn.AcceptStream(t.Context()); hears && err == nil {
				s.Read(make([]byte, 1))
			}
			conn.CloseWithError(codeEvicted, "")
		}
	}()
	id := l.trust.identity()
	trust, p := member(t, &id)
	p.presence = ringwire.Presence{Incarnation: 2, Addr: stranger.addr()}
	p.presence.Sign(id.ring(), trust.identity().key)
	h, err := l.hosts.learn(p.certificate, p.presence)
	if err != nil {
		t.Fatal(err)
	}
	// A second node's links, so that nobody else waits for the word.
	other := &Node{cfg: l.cfg, log: l.log, transport: l.transport, hosts: l.hosts, trust: l.trust, stopped: true, expelled: make(chan struct{}, 1)}
	other.links = newLinks(other)
	for try := range uint64(4) {
		other.links.dial(t.Context(), newLink(other.hosts, h, true))
		if n := other.counters.dialFailures.Load(); n != try+1 {
			t.Fatalf("%d of %d dials failed", n, try+1)
		}
		select {
		case <-other.expelled:
			t.Fatal("a stranger's word was taken for an eviction")
		default:
		}
	}
}
