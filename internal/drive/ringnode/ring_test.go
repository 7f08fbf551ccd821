package ringnode

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// live is a node that runs in this process.
type live struct {
	*Node
	cfg    Config
	cancel context.CancelFunc
	done   chan error
}

// quick shortens the periods, so that tests need not wait for them.
func quick(r *ring.Config, d *replica.Config) {
	r.Stabilize, r.Probe, r.FixFingers, r.Remember = 200*time.Millisecond, 300*time.Millisecond, time.Second, 500*time.Millisecond
	r.FirstTimeout, r.MinTimeout = 500*time.Millisecond, 400*time.Millisecond
	d.SyncEvery = 500 * time.Millisecond
}

// testLog shows a node's log when RINGLOG is set.
func testLog(t testing.TB, name string) *slog.Logger {
	if os.Getenv("RINGLOG") == "" {
		return nil
	}
	level := slog.LevelInfo
	if os.Getenv("RINGLOG") == "debug" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level})).With("node", name)
}

// start runs a node and waits until it is ready.
func start(t testing.TB, cfg Config) *live {
	t.Helper()
	l := launch(t, cfg)
	select {
	case <-l.Ready():
	case err := <-l.done:
		t.Fatalf("node ended: %v", err)
	case <-time.After(2 * time.Minute):
		t.Fatal("node does not get ready")
	}
	return l
}

// launch runs a node.
func launch(t testing.TB, cfg Config) *live {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = t.TempDir()
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.tune == nil {
		cfg.tune = quick
	}
	if cfg.Log == nil {
		cfg.Log = testLog(t, cfg.Data[len(cfg.Data)-3:])
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &live{Node: n, cfg: cfg, cancel: cancel, done: make(chan error, 1)}
	go func() { l.done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-n.ended
	})
	return l
}

// stop ends a node without hand-over.
func (l *live) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	if err := <-l.done; err != nil {
		t.Fatalf("node ended: %v", err)
	}
}

// briefly is an absence that tests can wait for. A host that was stopped for half of it is sure of nothing until it has asked the others, so it must be longer than any
// pause of a busy machine.
const briefly = 4 * time.Second

// grow starts a ring of count nodes.
func grow(t testing.TB, count int, cfg Config) []*live {
	t.Helper()
	nodes := []*live{start(t, cfg)}
	cfg.Token, cfg.Join = nodes[0].Token(), []string{nodes[0].Listen().String()}
	for range count - 1 {
		nodes = append(nodes, launch(t, cfg))
	}
	for i, l := range nodes {
		select {
		case <-l.Ready():
		case err := <-l.done:
			t.Fatalf("node %d ended: %v", i, err)
		case <-t.Context().Done():
		}
	}
	return nodes
}

// eventually repeats f until it succeeds.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute) // a bound for what is broken, not a measure
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// whole waits until a walk around the ring finds nothing wrong but, where a test has so few hosts, that they are too few.
func whole(t testing.TB, l *live, hosts int) {
	t.Helper()
	eventually(t, "the ring is not whole", func() error {
		c, err := l.Check(t.Context())
		if err != nil {
			return err
		}
		problems := slices.DeleteFunc(c.Problems, func(p string) bool { return hosts < 3 && strings.Contains(p, "too few for") })
		if len(problems) > 0 || c.Hosts != hosts || c.Differing > 0 {
			return fmt.Errorf("%d hosts, %d arcs differ, %d under-replicated, problems %q", c.Hosts, c.Differing, c.UnderReplicated, problems)
		}
		return nil
	})
}

func TestThreeNodes(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 4})
	whole(t, nodes[0], 3)
	for i := range 10 {
		key := fmt.Sprint("key", i)
		put, err := nodes[i%3].Put(t.Context(), key, []byte(key), ringapi.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if put.Acks < 2 {
			t.Errorf("put %s: %d acknowledgements, want W = 2", key, put.Acks)
		}
		for _, l := range nodes {
			got, err := l.Get(t.Context(), key, ringapi.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Value) != key {
				t.Errorf("get %s: %q", key, got.Value)
			}
		}
	}
	whole(t, nodes[1], 3)
}

func mustAddr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// usual leaves the periods as they are outside of tests.
func usual(*ring.Config, *replica.Config) {}
