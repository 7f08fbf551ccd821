package harness

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// These need no namespace: the harness must be right before what it tests can be.

func script(t *testing.T, text string) *Process {
	t.Helper()
	return Start(t, "script", nil, "/bin/sh", "-c", text)
}

func TestEvents(t *testing.T) {
	ctx := Deadline(t, time.Minute)
	p := script(t, `echo not JSON; echo '{"type":"ready","listen":["a:1","b:2"],"size":null}'; echo oops >&2; echo '{"type":"exit","code":3}'; exit 3`)
	e := p.Await(ctx, "ready")
	if e.Str("listen") != "a:1" || e.Int("size") != 0 || e.Str("none") != "" {
		t.Errorf("ready read as %v", e)
	}
	if code := p.Wait(ctx); code != 3 {
		t.Errorf("code %d, want 3", code)
	}
	if n := p.Last("exit").Int("code"); n != 3 {
		t.Errorf("exit event with code %d, want 3", n)
	}
	if _, err := p.Find(ctx, func(e Event) bool { return e.Type() == "complete" }); !errors.Is(err, ErrEnded) {
		t.Errorf("waiting for what never came: %v, want ErrEnded", err)
	}
	if log := p.Log(1000); len(log) < 50 {
		t.Errorf("log lacks lines: %q", log)
	}
}

func TestNextIgnoresThePast(t *testing.T) {
	ctx := Deadline(t, time.Minute)
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	p := script(t, `echo '{"type":"progress","bytes":1}'; read x <'`+gate+`'; echo '{"type":"progress","bytes":2}'; sleep 60`)
	p.Await(ctx, "progress")
	go os.WriteFile(gate, []byte("go\n"), 0) // opens once the script reads
	if e := p.Next(ctx, "progress"); e.Int("bytes") != 2 {
		t.Errorf("next progress is %v, want the second", e)
	}
}

func TestSignals(t *testing.T) {
	ctx := Deadline(t, time.Minute)
	p := script(t, `echo '{"type":"ready"}'; sleep 60 & wait`)
	p.Await(ctx, "ready")
	if code := p.Stop(ctx); code != 128+int(syscall.SIGTERM) {
		t.Errorf("code %d after SIGTERM", code)
	}
	q := script(t, `echo '{"type":"ready"}'; sleep 60 & wait`)
	q.Await(ctx, "ready")
	if n, err := q.BytesRead(); err != nil || n == 0 {
		t.Errorf("bytes read: %d, %v", n, err)
	}
	q.Kill() // returns only if the group is dead and the pipes are closed
	if !q.Ended() {
		t.Error("alive after Kill")
	}
}

func TestSame(t *testing.T) {
	a, b := Tree(t, filepath.Join(t.TempDir(), "a")), Tree(t, filepath.Join(t.TempDir(), "b"))
	if err := Same(a, b); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(b, "a/b/c/d/deep.bin")
	if err := os.Remove(filepath.Join(b, "empty")); err != nil {
		t.Fatal(err)
	}
	if err := SameButEmpty(a, b); err != nil {
		t.Error(err)
	}
	for _, change := range []func() error{
		func() error { return os.WriteFile(filepath.Join(b, "new"), nil, 0o644) },
		func() error { return os.Truncate(deep, 300_000) },
		func() error { return os.Truncate(deep, 300_002) },
		func() error { return os.Remove(filepath.Join(b, "empty")) },
		func() error {
			x, err := os.ReadFile(deep)
			if err == nil {
				x[len(x)-1] ^= 1
				err = os.WriteFile(deep, x, 0o644)
			}
			return err
		},
		func() error { return os.Rename(filepath.Join(b, "z"), filepath.Join(b, "y")) },
		func() error {
			os.Remove(deep)
			return os.Symlink(filepath.Join(a, "a/b/c/d/deep.bin"), deep)
		},
	} {
		os.RemoveAll(b)
		Tree(t, b)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if Same(a, b) == nil {
			t.Error("a changed tree passes as the same")
		}
	}
}
