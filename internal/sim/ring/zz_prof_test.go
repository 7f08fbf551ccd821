package ring

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"testing"
)

func TestZZProf(t *testing.T) {
	last := ""
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		t.Skip()
	}
	res, err := Run(context.Background(), Config{Nodes: n, Lookups: 20000, KeysPerNode: 10, Seed: 1, Progress: func(p Progress) {
		if p.Phase != last {
			last = p.Phase
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			t.Logf("%s heap %d MB", p.Phase, m.HeapAlloc>>20)
		}
	}})
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("end heap %d MB sys %d", m.HeapAlloc>>20, m.Sys>>20)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %d events %v", res.Hops.Mean, res.Events, res.Maintenance)
}
