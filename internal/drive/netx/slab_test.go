package netx

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

func newPool(t testing.TB, size, max int) *SlabPool {
	t.Helper()
	p := NewSlabPool(size, max)
	p.Poison = true
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func mustGet(t testing.TB, p *SlabPool) *Slab {
	t.Helper()
	s, err := p.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestSlabCounts(t *testing.T) {
	p := newPool(t, 1000, 3)
	if p.Mapped() != 0 {
		t.Errorf("%d bytes mapped before the first use", p.Mapped())
	}
	a, b, c := mustGet(t, p), mustGet(t, p), p.TryGet()
	if c == nil || p.InUse() != 3 || p.Peak() != 3 {
		t.Fatalf("three lent: third %v, in use %d, peak %d", c, p.InUse(), p.Peak())
	}
	if p.TryGet() != nil {
		t.Error("a fourth of three lent")
	}
	for i, s := range []*Slab{a, b, c} {
		if len(s.Bytes) != 1000 || cap(s.Bytes) != 1000 {
			t.Errorf("slab of %d bytes, capacity %d", len(s.Bytes), cap(s.Bytes))
		}
		copy(s.Bytes, bytes.Repeat([]byte{byte(i)}, 1000))
	}
	for i, s := range []*Slab{a, b, c} {
		if s.Bytes[0] != byte(i) || s.Bytes[999] != byte(i) {
			t.Errorf("slab %d overlaps another", i)
		}
		s.Release()
	}
	if p.InUse() != 0 || p.Peak() != 3 {
		t.Errorf("all returned: in use %d, peak %d", p.InUse(), p.Peak())
	}
}

func TestSlabIsReusedWarm(t *testing.T) {
	p := newPool(t, SmallSlab, 100)
	a, b := mustGet(t, p), mustGet(t, p)
	b.Bytes = b.Bytes[5:10] // users may reslice
	b.Release()
	a.Release()
	if s := mustGet(t, p); s != a {
		t.Error("not the last one returned")
	} else {
		defer s.Release()
	}
	s := mustGet(t, p)
	defer s.Release()
	if s != b || len(s.Bytes) != SmallSlab {
		t.Errorf("same slab %v, %d bytes after reslicing", s == b, len(s.Bytes))
	}
}

func TestSlabReferences(t *testing.T) {
	p := newPool(t, SmallSlab, 2)
	s := mustGet(t, p)
	s.Retain(2)
	s.Release()
	s.Release()
	if p.InUse() != 1 {
		t.Fatal("returned with a use left")
	}
	kept := s.Bytes
	s.Release()
	if p.InUse() != 0 {
		t.Fatal("not returned after the last release")
	}
	if kept[0] != 0xdb || kept[len(kept)-1] != 0xdb {
		t.Error("not poisoned")
	}
	mustPanic(t, "second release", s.Release)
	mustPanic(t, "retain after release", func() { s.Retain(1) })
	if s := mustGet(t, p); p.InUse() != 1 {
		t.Error("a refused release changed the pool")
	} else {
		s.Release()
	}
}

func TestSlabWait(t *testing.T) {
	p := newPool(t, SmallSlab, 1)
	s := mustGet(t, p)

	stopped, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if _, err := p.Get(stopped); !errors.Is(err, why) {
		t.Errorf("wait ended by ctx: %v", err)
	}
	gone := make(chan struct{})
	close(gone)
	if _, err := p.get(nil, gone); !errors.Is(err, net.ErrClosed) {
		t.Errorf("wait ended by close: %v", err)
	}

	got := make(chan *Slab)
	go func() {
		s, _ := p.Get(context.Background())
		got <- s
	}()
	s.Release()
	if s := <-got; s == nil {
		t.Error("waiter got nothing")
	} else {
		s.Release()
	}
	if p.Peak() != 1 {
		t.Errorf("peak %d of 1", p.Peak())
	}
}

func TestSlabTrim(t *testing.T) {
	p := newPool(t, LargeSlab, 4)
	p.Poison = false
	a, b := mustGet(t, p), mustGet(t, p)
	a.Bytes[0], b.Bytes[0] = 1, 2
	a.Release()
	b.Release()
	p.Trim(1) // b was used last
	if b := mustGet(t, p); b.Bytes[0] != 2 {
		t.Error("the warmest slab lost its memory")
	} else {
		defer b.Release()
	}
	a = mustGet(t, p)
	defer a.Release()
	a.Bytes[0] = 3 // still mapped
}

func TestSlabPoolClose(t *testing.T) {
	p := NewSlabPool(SmallSlab, 2)
	s := mustGet(t, p)
	if err := p.Close(); err == nil {
		t.Fatal("closed with a slab lent")
	}
	s.Bytes[0] = 1 // still there
	s.Release()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // a refusal must not use up a token
		if _, err := p.Get(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Get after Close: %v", err)
		}
	}
	if p.TryGet() != nil || p.Mapped() != 0 {
		t.Error("memory left after Close")
	}
}

// What one slab is meant to hold whole.
func TestLargeSlabHolds(t *testing.T) {
	const block, header, maxPieces = 16 << 10, wire.PieceHeaderLen, 2_097_152
	if n := 16 * (header + block); n > LargeSlab {
		t.Errorf("16 blocks with headers take %d bytes", n)
	}
	if n := wire.PrefixLen + 1 + maxPieces/8; n >= LargeSlab {
		t.Errorf("the longest bitfield takes %d bytes", n)
	}
	if n := header + block; n >= SmallSlab {
		t.Errorf("a block takes %d bytes of a small slab", n)
	}
}

func TestSlabPoolRefusesNonsense(t *testing.T) {
	mustPanic(t, "size 0", func() { NewSlabPool(0, 1) })
	mustPanic(t, "max 0", func() { NewSlabPool(1, 0) })
}

// Many goroutines share few slabs; none may see another's writes.
func TestSlabPoolConcurrent(t *testing.T) {
	p := newPool(t, 4096, 3)
	var wg sync.WaitGroup
	for id := range 16 {
		wg.Go(func() {
			for range 200 {
				s, err := p.Get(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				s.Retain(1)
				for i := range s.Bytes {
					s.Bytes[i] = byte(id)
				}
				if !bytes.Equal(s.Bytes, bytes.Repeat([]byte{byte(id)}, 4096)) {
					t.Error("slab changed while in use")
				}
				s.Release()
				s.Release()
			}
		})
	}
	wg.Wait()
	if p.Peak() > 3 || p.InUse() != 0 {
		t.Errorf("peak %d of 3, %d in use", p.Peak(), p.InUse())
	}
}
