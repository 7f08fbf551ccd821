package storage_test

import (
	"fmt"
	"testing"

	"github.com/eddy-p2p/eddy/storage"
	"github.com/eddy-p2p/eddy/storage/storagetest"
)

func TestConformance(t *testing.T) {
	t.Run("Memory", func(t *testing.T) {
		storagetest.Run(t, func(_ testing.TB, size int64) storage.Storage { return storage.NewMemory(size) })
	})
	t.Run("Crash", func(t *testing.T) {
		storagetest.Run(t, func(_ testing.TB, size int64) storage.Storage { return storagetest.NewCrash(size) })
	})
	t.Run("Faulty", func(t *testing.T) {
		storagetest.Run(t, func(_ testing.TB, size int64) storage.Storage {
			return &storagetest.Faulty{Storage: storage.NewMemory(size)}
		})
	})
	for _, prealloc := range []storage.Prealloc{storage.PreallocNone, storage.PreallocSparse, storage.PreallocFull} {
		for _, files := range []int{1, 7, 50} {
			t.Run(fmt.Sprintf("Files/%v/%d", prealloc, files), func(t *testing.T) {
				storagetest.Run(t, func(tb testing.TB, size int64) storage.Storage {
					return openSplit(tb, size, files, prealloc)
				})
			})
		}
	}
}

// openSplit spreads size bytes over n files in folders, empty ones among them, with no more than three open at once.
func openSplit(tb testing.TB, size int64, n int, prealloc storage.Prealloc) storage.Storage {
	cfg := storage.FilesConfig{Root: tb.TempDir(), Prealloc: prealloc, MaxOpen: 3}
	var off int64
	for i := range n {
		length := size / int64(n) * int64(i%3) // 0, 1 or 2 shares
		if i == n-1 {
			length = size - off
		}
		length = min(length, size-off)
		cfg.Files = append(cfg.Files, storage.FileSpec{Path: fmt.Sprintf("d%d/f%d", i%5, i), Offset: off, Length: length})
		off += length
	}
	s, err := storage.OpenFiles(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
