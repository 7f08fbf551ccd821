package eddy_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy"
)

// A policy that does not exist is told with those that do.
func TestUnknownPolicy(t *testing.T) {
	c, err := eddy.NewClient(eddy.Config{Policy: "greedy", Listen: "127.0.0.1:0"})
	if c != nil || err == nil || !strings.Contains(err.Error(), "cooperative") {
		t.Errorf("NewClient: %v, %v", c, err)
	}
	for _, p := range []string{"", "tit-for-tat", "cooperative"} {
		c, err := eddy.NewClient(eddy.Config{Policy: p, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Errorf("policy %q: %v", p, err)
			continue
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Run(ended); err != nil { // a client lets go of its sockets at the end of Run
			t.Errorf("policy %q: %v", p, err)
		}
		if l, err := net.Listen("tcp", c.Addr().String()); err != nil {
			t.Errorf("policy %q: the port is still taken: %v", p, err)
		} else {
			l.Close()
		}
	}
}
