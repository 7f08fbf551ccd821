package ring_test

import (
	"net"
	"testing"

	"github.com/eddy-p2p/eddy/ring"
)

// A program that listens at the TCP port of a node's ring address gets no connection, and so no token: the node proves itself first.
func TestDialProvesFirst(t *testing.T) {
	n, _ := start(t, ring.Config{})
	thief, err := net.Listen("tcp", n.Addr().String())
	if err != nil {
		t.Skipf("the port is taken by another program: %v", err)
	}
	met := make(chan bool, 1)
	go func() {
		conn, err := thief.Accept()
		if err == nil {
			conn.Close()
		}
		met <- err == nil
	}()
	c := dial(t, n.Addr().String(), n.Token())
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("status: %v", err)
	}
	thief.Close()
	if <-met {
		t.Error("the program at the TCP port was asked")
	}
}
