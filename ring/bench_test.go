package ring_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eddy-p2p/eddy/ring"
)

// BenchmarkClient is what a program far away pays: five nodes of this process, asked through QUIC by clients of their own. For
// profiles; bench/ring.py measures processes.
func BenchmarkClient(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		for _, op := range []string{"get", "put"} {
			b.Run(fmt.Sprintf("op=%s/bytes=%d/clients=16", op, size), func(b *testing.B) { benchmarkClients(b, op == "put", size, 16) })
		}
	}
}

func benchmarkClients(b *testing.B, put bool, size, count int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var clients []*ring.Client
	var first *ring.Node
	for range 5 {
		config := ring.Config{Data: b.TempDir(), Listen: "127.0.0.1:0", API: "none"}
		if first != nil {
			config.Join, config.Token = []string{first.Addr().String()}, first.Token()
		}
		node, err := ring.New(config)
		if err != nil {
			b.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- node.Run(ctx) }()
		defer func() {
			cancel()
			<-ended
		}()
		select {
		case <-node.Ready():
		case err := <-ended:
			ended <- err
			b.Fatal(err)
		}
		if first == nil {
			first = node
		}
		for range (count + 4) / 5 {
			c, err := ring.Dial(ctx, node.Addr().String(), first.Token())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			clients = append(clients, c)
		}
	}
	value := make([]byte, size)
	key := func(client, i int) string { return fmt.Sprint("key", client, "-", i) }
	for c := range count {
		for i := range 5 {
			for {
				_, err := clients[c].Put(ctx, key(c, i), value, ring.PutOptions{})
				if err == nil {
					break
				}
				if codeOf(err) != ring.TooFew { // the ring still grows
					b.Fatal(err)
				}
			}
		}
	}
	var left, failed atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var all sync.WaitGroup
	for c := range count {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				var err error
				if put {
					_, err = clients[c].Put(ctx, key(c, rand.IntN(5)), value, ring.PutOptions{})
				} else {
					_, err = clients[c].Get(ctx, key(rand.IntN(count), rand.IntN(5)), ring.GetOptions{})
				}
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64(failed.Load()), "failed")
}
