package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Work that does not look at its context is left to itself soon after a signal; work that does has its say.
func TestObeying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := &signalError{os.Interrupt}
		forever := make(chan struct{})
		time.AfterFunc(time.Hour, func() { cancel(ended) })
		start := time.Now()
		if _, err := obeying(ctx, func() (int, error) { <-forever; return 1, nil }); err != error(ended) || time.Since(start) != time.Hour+abandonAfter {
			t.Errorf("deaf work: %v after %v", err, time.Since(start))
		}
		close(forever)
		if v, err := obeying(ctx, func() (int, error) { return 7, io.EOF }); v != 7 || err != io.EOF {
			t.Errorf("work that ends by itself: %d, %v", v, err)
		}
	})
}

// A pipe into which nobody writes does not keep a command from ending.
func TestInterruptedWhileReading(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.toml")
	if err := makePipe(pipe); err != nil {
		t.Skip("no named pipes here:", err)
	}
	for _, args := range [][]string{
		{"sim", "run", "--scenario", pipe},
		{"sim", "sweep", "--scenario", pipe},
		{"plan", "--peers", pipe, "--size", "1MB", "--server", "1MB"},
	} {
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		var stderr strings.Builder
		code := Run(context.Background(), Stdio{Args: args, Out: io.Discard, Err: &stderr, Environ: []string{"HOME=" + t.TempDir()}, Signals: signals})
		if code != exitTerminated || !strings.Contains(stderr.String(), "interrupted: no result") {
			t.Errorf("%v: code %d, %s", args, code, &stderr)
		}
		// Whoever still waits to open it goes on to its end.
		if w, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			w.Close()
		}
	}
}
