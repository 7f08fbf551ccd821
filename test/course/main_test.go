package course

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

// eddy is the binary whose output the page shows.
var eddy string

// TestMain builds it: without the race detector even where the test has it, since the simulations would take minutes, and since
// outputs are all that is tested here.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "eddycourse")
	if err == nil {
		eddy = filepath.Join(dir, "eddy")
		err = harness.Build(eddy)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
