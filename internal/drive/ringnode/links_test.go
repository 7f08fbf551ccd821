package ringnode

import (
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
