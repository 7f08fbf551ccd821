package ringnode

import (
	"context"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
)

// TestNobodyWaitsForAStoppedNode: an operation that begins while the node stops ends with it, whatever its context says.
func TestNobodyWaitsForAStoppedNode(t *testing.T) {
	l := start(t, Config{Replicas: 2}) // a read needs another host, which there is not
	began, ended := make(chan struct{}, 2), make(chan replica.Result)
	go func() {
		for range 2 {
			r, err := l.operate(context.Background(), func(now time.Duration, op uint64, deadline time.Duration) {
				l.data.Get(now, op, replica.Get{Key: "k", Deadline: deadline})
				began <- struct{}{}
			})
			if err != nil {
				t.Error(err)
			}
			ended <- r
		}
	}()
	gone := func() {
		t.Helper()
		select {
		case r := <-ended:
			if r.Status != replica.Gone {
				t.Errorf("the read ended with %v", r.Status)
			}
		case <-time.After(time.Minute): // a bound for what is broken, not a measure
			t.Fatal("the read never ends")
		}
	}
	<-began
	l.links.wg.Add(1) // a connection that takes its time to end
	l.cancel()
	gone()
	<-began
	l.links.wg.Done()
	gone()
	if err := <-l.done; err != nil {
		t.Error(err)
	}
}
