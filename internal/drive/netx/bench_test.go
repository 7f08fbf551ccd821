package netx

import (
	"context"
	"fmt"
	"io"
	"testing"
)

// The benchmarks move blocks of 16 KiB with their 13-byte headers over loopback
// and report, besides MB/s, the CPU time of both sides a GiB. They show what
// ReadSlab and WriteBuffers cost over the plainest transfer there is.

var background = context.Background()

const (
	benchBlock  = 16<<10 + 13
	benchBlocks = 16
)

func benchTransfer(b *testing.B, slab int, write func(c Conn, batch []byte) error, read func(c Conn, pool *SlabPool) (int, error)) {
	from, to := tcpPair(b)
	pool := newPool(b, slab, 4)
	pool.Poison = false
	batch := make([]byte, benchBlock*benchBlocks)
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	done := make(chan error)
	start := cpuTime()
	b.ResetTimer()
	go func() {
		for range b.N {
			if err := write(from, batch); err != nil {
				done <- err
				return
			}
		}
		done <- from.Close()
	}()
	total := 0
	for {
		n, err := read(to, pool)
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if total != b.N*len(batch) {
		b.Fatalf("received %d of %d bytes", total, b.N*len(batch))
	}
	b.ReportMetric((cpuTime()-start).Seconds()/(float64(total)/(1<<30)), "cpu-s/GiB")
	b.ReportMetric(0, "ns/op")
}

func writeWhole(c Conn, batch []byte) error {
	_, err := c.WriteBuffers([][]byte{batch})
	return err
}

func readSlabs(c Conn, pool *SlabPool) (int, error) {
	s, n, err := c.ReadSlab(background, pool, nil)
	if err != nil {
		return 0, err
	}
	s.Release()
	return n, nil
}

// BenchmarkSlab is the hot path: one write of 16 blocks, slabs of each size.
func BenchmarkSlab(b *testing.B) {
	for _, size := range []int{SmallSlab, 64 << 10, 128 << 10, LargeSlab} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { benchTransfer(b, size, writeWhole, readSlabs) })
	}
}

// BenchmarkWritev sends headers and blocks from buffers of their own.
func BenchmarkWritev(b *testing.B) {
	bufs := make([][]byte, 2*benchBlocks)
	benchTransfer(b, LargeSlab, func(c Conn, batch []byte) error {
		for i := range benchBlocks {
			block := batch[i*benchBlock : (i+1)*benchBlock]
			bufs[2*i], bufs[2*i+1] = block[:13], block[13:]
		}
		_, err := c.WriteBuffers(bufs)
		return err
	}, readSlabs)
}

// BenchmarkRead is the same with a buffer that the reader keeps, as io.Copy and
// io.CopyBuffer do: the raw limit.
func BenchmarkRead(b *testing.B) {
	buf := make([]byte, LargeSlab)
	benchTransfer(b, LargeSlab, writeWhole, func(c Conn, _ *SlabPool) (int, error) { return c.Read(buf) })
}

// BenchmarkIOCopy is io.Copy with its own 32 KiB.
func BenchmarkIOCopy(b *testing.B) {
	benchTransfer(b, LargeSlab, writeWhole, func(c Conn, _ *SlabPool) (int, error) {
		n, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c})
		if err == nil {
			err = io.EOF
		}
		return int(n), err
	})
}

func BenchmarkSlabPool(b *testing.B) {
	pool := newPool(b, LargeSlab, 4)
	pool.Poison = false
	b.ReportAllocs()
	for b.Loop() {
		s, err := pool.Get(background)
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
	}
}
