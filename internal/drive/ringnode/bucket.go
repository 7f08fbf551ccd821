package ringnode

import (
	"context"
	"sync"
	"time"
)

// bucket is a byte budget: rate a second, and as much at once. Who takes more waits; since it is the reader of a stream who waits,
// QUIC's flow control makes the sender wait too.
type bucket struct {
	rate float64

	mu   sync.Mutex
	have float64
	at   time.Time
}

func newBucket(rate int64) *bucket {
	return &bucket{rate: float64(rate), have: float64(rate), at: time.Now()}
}

// debt takes n bytes and returns for how long the taker has to wait.
func (b *bucket) debt(n int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.have = min(b.rate, b.have+now.Sub(b.at).Seconds()*b.rate) - float64(n)
	b.at = now
	if b.have >= 0 {
		return 0
	}
	return time.Duration(-b.have / b.rate * float64(time.Second))
}

// take takes n bytes, waiting as needed; the end of ctx ends the wait.
func (b *bucket) take(ctx context.Context, n int) {
	d := b.debt(n, time.Now())
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
