package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// target is a store under test.
type target interface {
	// dial makes the connection of client i.
	dial(ctx context.Context, i int) (client, error)
}

// client is one user of it; a client is used by one goroutine at a time.
type client interface {
	get(ctx context.Context, key string) ([]byte, error)
	put(ctx context.Context, key string, value []byte) error
	Close() error
}

const patience = 30 * time.Second // of one operation; none comes near it

// measure takes all measurements of a plan in turns: a shared machine's moods then fall on all alike.
func (p *plan) measure(t target) error {
	ctx := context.Background()
	clients, err := dialAll(ctx, t, slices.Max(p.clients))
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	var echoes *echo
	if p.echo != "" {
		if echoes, err = dialEcho(ctx, p.echo, len(clients)); err != nil {
			return fmt.Errorf("reaching the echo: %w", err)
		}
		defer echoes.close()
	}
	for _, size := range p.sizes {
		if err := p.fill(ctx, clients, size); err != nil {
			return fmt.Errorf("writing the keys of %d bytes: %w", size, err)
		}
	}
	for run := 1; run <= p.runs; run++ {
		for _, size := range p.sizes {
			for _, n := range p.clients {
				if err := p.turn(ctx, echoes, clients[:n], size, run); err != nil {
					return err
				}
			}
		}
		if p.dir != "" {
			l, err := measureSync(p.dir)
			if err != nil {
				return fmt.Errorf("measuring the sync of %s: %w", p.dir, err)
			}
			l.Run = run
			print(l)
		}
	}
	return nil
}

func dialAll(ctx context.Context, t target, n int) (clients []client, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range n {
		c, err := t.dial(ctx, i)
		if err != nil {
			for _, c := range clients {
				c.Close()
			}
			return nil, fmt.Errorf("connecting client %d: %w", i, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// key is one that client i writes, and nobody else: writers that meet would make siblings, whose size is no matter of speed.
func key(size, i, j int) string { return fmt.Sprintf("ringload/%d/%02d/%03d", size, i, j) }

// value is what is stored; nothing on the way can compress it.
func value(size int) []byte {
	v := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(v)
	return v
}

func (p *plan) fill(ctx context.Context, clients []client, size int) error {
	errs := make([]error, len(clients))
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			v := value(size)
			for j := 0; j < p.keys && errs[i] == nil; j++ {
				errs[i] = bounded(ctx, func(ctx context.Context) error { return c.put(ctx, key(size, i, j), v) })
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// turn measures the echo, gets and puts of one size by some clients, one after the other.
func (p *plan) turn(ctx context.Context, e *echo, clients []client, size, run int) error {
	show := func(what string, l line) {
		l.What, l.Run, l.Size, l.Clients = what, run, size, len(clients)
		print(l)
	}
	if e != nil {
		for _, x := range []struct {
			what     string
			up, down int
		}{{"echo", size, size}, {"fetch", len(key(size, 0, 0)), size}} {
			l, err := e.measure(ctx, p, len(clients), x.up, x.down)
			if err != nil {
				return fmt.Errorf("the echo: %w", err)
			}
			show(x.what, l)
		}
	}
	total := len(clients)
	writers := slices.Max(p.clients)
	show("get", loop(ctx, total, p.warm, p.lasts, func(ctx context.Context, i int) error {
		v, err := clients[i].get(ctx, key(size, rand.IntN(writers), rand.IntN(p.keys)))
		if err == nil && len(v) != size {
			err = fmt.Errorf("got %d bytes, want %d", len(v), size)
		}
		return err
	}))
	v := value(size)
	show("put", loop(ctx, total, p.warm, p.lasts, func(ctx context.Context, i int) error {
		return clients[i].put(ctx, key(size, i, rand.IntN(p.keys)), v)
	}))
	return nil
}

// loop lets n clients operate, each again as soon as it has its answer, and counts what begins after the warming up.
func loop(ctx context.Context, n int, warm, lasts time.Duration, operate func(ctx context.Context, i int) error) line {
	var all sync.WaitGroup
	took := make([][]time.Duration, n)
	var failed atomic.Int64
	var first atomic.Pointer[error]
	begin := time.Now().Add(warm)
	end := begin.Add(lasts)
	ended := make([]time.Duration, n) // after begin, each client's last one that counts
	for i := range n {
		all.Go(func() {
			for {
				at := time.Now()
				if at.After(end) {
					return
				}
				err := bounded(ctx, func(ctx context.Context) error { return operate(ctx, i) })
				switch now := time.Now(); {
				case at.Before(begin):
				case err != nil:
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
				default:
					took[i] = append(took[i], now.Sub(at))
					ended[i] = now.Sub(begin)
				}
			}
		})
	}
	all.Wait()
	l := summary(slices.Concat(took...), slices.Max(ended))
	l.Failed = int(failed.Load())
	if err := first.Load(); err != nil {
		l.Error = (*err).Error()
	}
	return l
}

func bounded(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f(ctx)
}

// summary is a line of times, which it sorts, that one measurement took.
func summary(took []time.Duration, lasted time.Duration) line {
	if len(took) == 0 {
		return line{}
	}
	slices.Sort(took)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return line{P50: us(took[len(took)/2]), P99: us(took[len(took)*99/100]), Rate: float64(len(took)) / lasted.Seconds(), Count: len(took)}
}
