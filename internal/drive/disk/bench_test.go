//go:build unix

package disk

import (
	"context"
	"crypto/sha1"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// slabs is a pool of receive buffers laid out as peers' bytes arrive: blocks with a message header before each.
type slabs struct {
	free chan *slab
}

type slab struct {
	pool *slabs
	buf  []byte
	segs []Segment
}

func (s *slab) Release() { s.pool.free <- s }

const (
	slabBlocks = 16
	header     = 13
)

func newSlabs(n int) *slabs {
	p := &slabs{free: make(chan *slab, n)}
	for range n {
		p.free <- &slab{pool: p, buf: make([]byte, slabBlocks*(header+metainfo.BlockSize)), segs: make([]Segment, slabBlocks)}
	}
	return p
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func benchDir(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "eddy-bench-")
	if err != nil {
		dir = b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// BenchmarkDownload writes and verifies 1 GiB per iteration through 256 KiB slabs, as one connection would deliver it.
// cpu-s/GiB compares with BenchmarkRaw, the same work without us.
func BenchmarkDownload(b *testing.B) {
	for _, pieceLength := range []int64{1 << 20, 256 << 10} {
		b.Run(fmt.Sprintf("piece=%dKiB", pieceLength>>10), func(b *testing.B) {
			benchmarkDownload(b, metainfo.Layout{Size: 1 << 30, PieceLength: pieceLength})
		})
	}
}

func benchmarkDownload(b *testing.B, l metainfo.Layout) {
	zero := sha1.Sum(make([]byte, l.PieceLength))
	b.SetBytes(l.Size)
	b.ReportAllocs()
	var cpu float64
	for range b.N {
		b.StopTimer()
		dir := benchDir(b)
		store, err := storage.OpenFiles(storage.FilesConfig{
			Root: dir, Files: []storage.FileSpec{{Path: "content", Length: l.Size}},
		})
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		d := New(Config{})
		t, err := d.Open(TorrentConfig{
			Layout: l, PieceHash: func(int) [20]byte { return zero }, Store: store,
			Results: func(r Result) {
				if r.Kind != Verified || !r.OK {
					b.Errorf("%+v", r)
				}
				wg.Done()
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		pool := newSlabs(8)
		b.StartTimer()
		start := cpuSeconds()
		wg.Add(l.NumPieces())
		feed(t, l, pool)
		wg.Wait()
		cpu += cpuSeconds() - start
		b.StopTimer()
		cancel()
		<-done
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		os.RemoveAll(dir)
		b.StartTimer()
	}
	b.ReportMetric(cpu/float64(b.N)/(float64(l.Size)/(1<<30)), "cpu-s/GiB")
}

// feed gives the whole content, all zeros, to t, slab after slab.
func feed(t *Torrent, l metainfo.Layout, pool *slabs) {
	blocks := int(l.Size / metainfo.BlockSize)
	perPiece := l.BlocksPerPiece()
	for b := 0; b < blocks; b += slabBlocks {
		s := <-pool.free
		for k := range s.segs {
			at := k*(header+metainfo.BlockSize) + header
			s.segs[k] = Segment{
				Piece: int32((b + k) / perPiece), Begin: int32((b + k) % perPiece * metainfo.BlockSize),
				Data: s.buf[at : at+metainfo.BlockSize],
			}
		}
		t.Write(s.segs, s)
		for k := range slabBlocks {
			if (b+k+1)%perPiece == 0 {
				t.Verify((b+k)/perPiece, false)
			}
		}
	}
}

// BenchmarkRaw is the limit: the same bytes hashed and written by one loop.
func BenchmarkRaw(b *testing.B) {
	const size = 1 << 30
	buf := make([]byte, 256<<10)
	b.SetBytes(size)
	var cpu float64
	for range b.N {
		b.StopTimer()
		f, err := os.Create(benchDir(b) + "/content")
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		start := cpuSeconds()
		h := sha1.New()
		for off := int64(0); off < size; off += int64(len(buf)) {
			h.Write(buf)
			if _, err := f.WriteAt(buf, off); err != nil {
				b.Fatal(err)
			}
		}
		cpu += cpuSeconds() - start
		b.StopTimer()
		f.Close()
		os.Remove(f.Name())
		b.StartTimer()
	}
	b.ReportMetric(cpu/float64(b.N), "cpu-s/GiB")
}
