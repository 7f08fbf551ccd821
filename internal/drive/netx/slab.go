package netx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
)

// The two sizes of slab in use. They are two pools with a maximum each, not one
// with a shared budget: slow peers can then never starve fast ones of slabs, or
// the other way round, and the bound on memory is the plain sum.
const (
	// SmallSlab holds a block of 16 KiB and a good part of the next, for peers
	// too slow to fill more between two reads.
	SmallSlab = 32 << 10
	// LargeSlab holds 16 blocks with their headers, for all others. The page
	// over 256 KiB is for those headers; it also makes room for the bitfield of
	// the most pieces that a torrent may have, 2,097,152.
	LargeSlab = 260 << 10
)

// chunkBytes is about how much is mapped at a time, so that system calls and
// mappings stay few. Only what is touched becomes resident.
const chunkBytes = 2 << 20

// Slab is a piece of memory outside the Go heap, with a count of its users.
type Slab struct {
	Bytes []byte // all of the slab; users may reslice it

	pool *SlabPool
	mem  []byte
	cold bool // its pages were given back; guarded by pool.mu
	refs atomic.Int32
}

// Retain adds n users, each of which must call Release.
func (s *Slab) Retain(n int) {
	if n < 0 || s.refs.Add(int32(n)) <= int32(n) {
		panic("netx: retain of a slab that is not in use")
	}
}

// Release ends one use; the last one gives the slab back to its pool. More
// releases than uses panic: the memory might be another peer's by now.
func (s *Slab) Release() {
	switch n := s.refs.Add(-1); {
	case n == 0:
		s.pool.put(s)
	case n < 0:
		s.refs.Add(1)
		panic("netx: slab released twice")
	}
}

// SlabPool lends slabs of one size, at most a fixed number at a time. Memory is
// mapped as it is first needed and lent again last in, first out, so that what
// is in use is warm in the cache. Safe for concurrent use.
type SlabPool struct {
	// Poison overwrites slabs on release, so that tests see uses after it. Set
	// it before the first Get.
	Poison bool

	size, stride, max int

	// One token for each slab lent. A waiter gets its token only after the slab
	// is in free: so whoever has one finds a slab or may map one.
	tokens chan struct{}

	mu     sync.Mutex // guards what follows
	free   []*Slab    // coldest first
	chunks [][]byte
	total  int // slabs mapped, free or lent
	peak   int
	closed bool
}

// NewSlabPool returns a pool of at most max slabs of size bytes. Nothing is
// mapped yet. It panics when either is not positive.
func NewSlabPool(size, max int) *SlabPool {
	if size <= 0 || max <= 0 {
		panic(fmt.Sprintf("netx: pool of %d slabs of %d bytes", max, size))
	}
	page := os.Getpagesize()
	return &SlabPool{
		size:   size,
		stride: (size + page - 1) / page * page, // Trim works on whole pages
		max:    max,
		tokens: make(chan struct{}, max),
	}
}

// Size is the length of each slab in bytes.
func (p *SlabPool) Size() int { return p.size }

// Max is the number of slabs that can be lent at a time.
func (p *SlabPool) Max() int { return p.max }

// InUse is the number of slabs lent.
func (p *SlabPool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total - len(p.free)
}

// Peak is the highest InUse so far.
func (p *SlabPool) Peak() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peak
}

// Mapped is the address space taken, in bytes. Pages never touched, or given
// back by Trim, are not resident.
func (p *SlabPool) Mapped() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.total) * int64(p.stride)
}

// Get lends a slab, waiting while all are out; waiters are served in order. The
// error is ctx's, net.ErrClosed after Close, or why no memory could be mapped.
func (p *SlabPool) Get(ctx context.Context) (*Slab, error) {
	s, err := p.get(ctx.Done(), nil)
	if errors.Is(err, errGaveUp) {
		err = context.Cause(ctx)
	}
	return s, err
}

var errGaveUp = errors.New("gave up waiting for a slab")

// get is Get with two ways to end the wait.
func (p *SlabPool) get(done, closed <-chan struct{}) (*Slab, error) {
	select {
	case p.tokens <- struct{}{}:
		return p.take()
	default:
	}
	select {
	case p.tokens <- struct{}{}:
		return p.take()
	case <-done:
		return nil, errGaveUp
	case <-closed:
		return nil, net.ErrClosed
	}
}

// TryGet lends a slab, or returns nil when all are out or none can be mapped;
// Get then says why.
func (p *SlabPool) TryGet() *Slab {
	select {
	case p.tokens <- struct{}{}:
		s, _ := p.take()
		return s
	default:
		return nil
	}
}

// take pops a slab for the holder of a token, which it gives back on failure.
func (p *SlabPool) take() (*Slab, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		<-p.tokens
		return nil, net.ErrClosed
	}
	if len(p.free) == 0 {
		if err := p.grow(); err != nil {
			<-p.tokens
			return nil, err
		}
	}
	s := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.peak = max(p.peak, p.total-len(p.free))
	s.Bytes, s.cold = s.mem, false
	s.refs.Store(1)
	return s, nil
}

// grow maps one more chunk and files its slabs as free.
func (p *SlabPool) grow() error {
	n := min(max(chunkBytes/p.stride, 1), p.max-p.total)
	mem, err := mapMemory(n * p.stride)
	if err != nil {
		return fmt.Errorf("map %d bytes for slabs: %w", n*p.stride, err)
	}
	p.chunks = append(p.chunks, mem)
	p.total += n
	for i := n - 1; i >= 0; i-- { // the first of the chunk is lent first
		at := i * p.stride
		p.free = append(p.free, &Slab{pool: p, mem: mem[at : at+p.size : at+p.size], cold: true})
	}
	return nil
}

func (p *SlabPool) put(s *Slab) {
	if p.Poison {
		for i := range s.mem {
			s.mem[i] = 0xdb
		}
	}
	p.mu.Lock()
	p.free = append(p.free, s)
	p.mu.Unlock()
	<-p.tokens
}

// Trim gives the pages of all free slabs but the keep last used back to the
// system. They stay mapped and come back as zeros when used again.
func (p *SlabPool) Trim(keep int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 0; i < len(p.free)-max(keep, 0); i++ {
		if s := p.free[i]; !s.cold {
			dropPages(s.mem[:p.size])
			s.cold = true
		}
	}
}

// Close unmaps the memory. It is an error while slabs are lent; the pool then
// stays as it is.
func (p *SlabPool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if lent := p.total - len(p.free); lent > 0 {
		return fmt.Errorf("close slab pool: %d slabs still in use", lent)
	}
	p.closed = true
	var errs []error
	for _, mem := range p.chunks {
		errs = append(errs, unmapMemory(mem))
	}
	p.chunks, p.free, p.total = nil, nil, 0
	return errors.Join(errs...)
}
