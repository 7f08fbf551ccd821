package ringnode

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
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

// budgets are the byte budgets of members and programs: all connections of one share one, so that more of them give no more.
type budgets struct {
	mu sync.Mutex
	of map[any]*budget // by hostBudget or clientBudget
}

// hostBudget is a member as the sender of ring messages, or of data.
type hostBudget struct {
	host ringwire.Host
	ring bool
}

// clientBudget is a program: who shows one token at one address. Its key it could make anew for each connection.
type clientBudget struct {
	token ringwire.TokenID
	from  netip.Prefix
}

// budget is one of them. It outlives its last user by a second, in which it would be full again: else a new connection were a new budget.
type budget struct {
	*bucket
	users int
	left  time.Time // of the last user
}

// open returns whose budget it is, how many use it now, and what ends the use.
func (b *budgets) open(whose any, rate int64) (*bucket, int, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for k, x := range b.of {
		if x.users == 0 && now.Sub(x.left) > time.Second {
			delete(b.of, k)
		}
	}
	if b.of == nil {
		b.of = make(map[any]*budget)
	}
	x := b.of[whose]
	if x == nil {
		x = &budget{bucket: newBucket(rate)}
		b.of[whose] = x
	}
	x.users++
	return x.bucket, x.users, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		x.users--
		x.left = time.Now()
	}
}
