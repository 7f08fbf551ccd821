package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// Who sets GOMAXPROCS or GOGC knows better; else a node takes half of the processors, and at least one.
func TestTuneNode(t *testing.T) {
	procs, gc := runtime.GOMAXPROCS(0), debug.SetGCPercent(100)
	defer func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(gc)
	}()
	for _, row := range []struct {
		env              string
		before, want, gc int
	}{{"", 1, 1, nodeGC}, {"", 2, 1, nodeGC}, {"", 8, 4, nodeGC}, {"50", 8, 8, 100}} {
		t.Setenv("GOMAXPROCS", row.env)
		t.Setenv("GOGC", row.env)
		runtime.GOMAXPROCS(row.before)
		debug.SetGCPercent(100)
		tuneNode()
		if got, percent := runtime.GOMAXPROCS(0), debug.SetGCPercent(100); got != row.want || percent != row.gc {
			t.Errorf("of %d processors with %q: %d, and GOGC %d; want %d and %d", row.before, row.env, got, percent, row.want, row.gc)
		}
	}
}
