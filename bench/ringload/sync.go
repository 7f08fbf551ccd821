package main

import (
	"os"
	"time"
)

// measureSync appends 4 KiB to a file and syncs it, two hundred times: what a write costs at least that is on disk when it returns.
func measureSync(dir string) (line, error) {
	f, err := os.CreateTemp(dir, "ringload*")
	if err != nil {
		return line{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := value(4 << 10)
	var took []time.Duration
	begin := time.Now()
	for range 200 {
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			return line{}, err
		}
		if err := syncData(f); err != nil {
			return line{}, err
		}
		took = append(took, time.Since(at))
	}
	l := summary(took, time.Since(begin))
	l.What = "sync"
	return l, nil
}
