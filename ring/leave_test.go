package ring_test

import (
	"testing"

	"github.com/eddy-p2p/eddy/ring"
)

// "Leave ... returns when the node has left" (Service), also to who asked for it over the connection that ends with the node.
func TestLeaveFromElsewhere(t *testing.T) {
	for range 4 {
		n, stop := start(t, ring.Config{Replicas: 1, API: "none"})
		if err := dial(t, n.Addr().String(), n.Token()).Leave(t.Context()); err != nil {
			t.Fatalf("the node left, and the answer is: %v", err)
		}
		stop()
	}
}
