package ringnode

import (
	"testing"
	"time"
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
