package ringnode

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// benchmarkRing runs an operation on five nodes of one process by some clients at once, each at a node of its own choice.
func benchmarkRing(b *testing.B, clients, size int, operate func(l *live, key string, value []byte) error) {
	nodes := grow(b, 5, Config{tune: usual})
	keys := make([]string, 100)
	value := make([]byte, size)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
		eventually(b, "put", func() error {
			_, err := nodes[i%5].Put(b.Context(), keys[i], value, ringapi.PutOptions{})
			return err
		})
	}
	whole(b, nodes[0], 5)
	var failed atomic.Int64
	took := make([][]time.Duration, clients)
	b.SetBytes(int64(size))
	b.ResetTimer()
	done := make(chan struct{})
	for c := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for range (b.N + clients - 1) / clients {
				at := time.Now()
				if operate(nodes[rand.IntN(5)], keys[rand.IntN(len(keys))], value) != nil {
					failed.Add(1)
				}
				took[c] = append(took[c], time.Since(at))
			}
		}()
	}
	for range clients {
		<-done
	}
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64(failed.Load()), "failed")
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("bytes=%d/clients=%d", size, clients), func(b *testing.B) {
				benchmarkRing(b, clients, size, func(l *live, key string, _ []byte) error {
					_, err := l.Get(b.Context(), key, ringapi.GetOptions{})
					return err
				})
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("bytes=%d/clients=%d", size, clients), func(b *testing.B) {
				benchmarkRing(b, clients, size, func(l *live, key string, value []byte) error {
					_, err := l.Put(b.Context(), key, value, ringapi.PutOptions{})
					return err
				})
			})
		}
	}
}
