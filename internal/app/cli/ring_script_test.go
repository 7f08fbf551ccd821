package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/test/ring/conformance"
)

// scriptRing is a ring in memory behind the real HTTP handler, for scripts about what the commands make of answers.
type scriptRing struct {
	memory conformance.Memory
	fails  atomic.Pointer[ringapi.Error]
}

// scriptRings are those of the scripts that run, by their names.
var scriptRings sync.Map

// ringServer implements "ring-server": $RING is then the address of a node's API, with the tokens member and client; the command
// "ring-answers" belongs to it.
func ringServer(ts *testscript.TestScript, _ bool, _ []string) {
	r := &scriptRing{}
	r.memory.Fail = func(string) error {
		if e := r.fails.Load(); e != nil {
			return e
		}
		return nil
	}
	handler, err := ringhttp.NewHandler(&r.memory, ringhttp.Config{Authorize: func(r *http.Request) ringhttp.Level {
		switch ringhttp.Bearer(r) {
		case "member":
			return ringhttp.Admin
		case "client":
			return ringhttp.Data
		}
		return ringhttp.Nobody
	}})
	ts.Check(err)
	server := httptest.NewServer(handler)
	ts.Defer(server.Close)
	ts.Defer(server.CloseClientConnections)
	scriptRings.Store(ts.Name(), r)
	ts.Setenv("RING", strings.TrimPrefix(server.URL, "http://"))
	ts.Setenv("EDDY_RING_NODE", strings.TrimPrefix(server.URL, "http://"))
	ts.Setenv("EDDY_RING_TOKEN", "member")
}

// ringAnswers implements "ring-answers CODE" (every operation fails so; "ok" ends it) and "ring-answers siblings KEY VALUE...".
func ringAnswers(ts *testscript.TestScript, _ bool, args []string) {
	v, ok := scriptRings.Load(ts.Name())
	if !ok {
		ts.Fatalf("ring-answers before ring-server")
	}
	r := v.(*scriptRing)
	switch args[0] {
	case "siblings":
		var values [][]byte
		for _, a := range args[2:] {
			values = append(values, []byte(a))
		}
		r.memory.SetSiblings(args[1], values...)
	case "ok":
		r.fails.Store(nil)
	default:
		r.fails.Store(&ringapi.Error{Code: ringapi.Code(args[0]), Message: "so it is told", Hint: "do this"})
	}
}

// bytesFile implements "bytes FILE N": N bytes, of every value.
func bytesFile(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	for _, digit := range args[1] {
		n = 10*n + int(digit-'0')
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i)
	}
	ts.Check(os.WriteFile(filepath.Clean(ts.MkAbs(args[0])), data, 0o600))
}
