package netx

import (
	"testing"
	"time"
)

func TestRTT(t *testing.T) {
	a, b := tcpPair(t)
	// An exchange, so that both kernels have seen an answer.
	for range 3 {
		for _, way := range [][2]Conn{{a, b}, {b, a}} {
			if _, err := way[0].WriteBuffers([][]byte{[]byte("ping")}); err != nil {
				t.Fatal(err)
			}
			if _, err := way[1].Read(make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if rtt := RTT(a); rtt <= 0 || rtt > 10*time.Second {
		t.Errorf("round trip on loopback: %v", rtt)
	}
	if x, _ := pipePair(t); RTT(x) != 0 {
		t.Error("a pipe has no round trip that the kernel knows")
	}
}
