package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/storage"
)

// smallDisk mounts a disk of that many bytes; that needs privileges.
func smallDisk(t *testing.T, bytes int) string {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("cannot mount a small disk here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v; a file left open?", err)
		}
	})
	return dir
}

// A disk that fills up pauses the torrent; once there is room it goes on, and nothing that was verified is fetched again.
func TestFullDiskPausesAndGoesOn(t *testing.T) {
	const pieces = 64
	w := film(t, pieces*testPiece, 1)
	_, addr := w.seed(t)
	dir := smallDisk(t, 2*pieces*testPiece)
	e, stop := start(t, Config{StateDir: t.TempDir(), DownloadLimit: 1 << 20})
	tor := add(t, e, w.spec(dir))
	await(t, "it has looked at the space that it needs", tor.accepting)
	ballast := filepath.Join(dir, "ballast")
	put(t, ballast, make([]byte, (pieces+pieces/2)*testPiece)) // half of it fits
	tor.AddPeers(addr)
	await(t, "it is paused", func() bool { return tor.Stats().State == Paused })
	if s := tor.Stats(); s.Problem == "" || s.Have == 0 {
		t.Errorf("when paused: %+v", s)
	}
	have := tor.Stats().PiecesHave
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	finish(t, tor)
	w.check(t, dir)
	s := tor.Stats()
	if s.HashFailures != 0 || s.Banned != 0 || s.State != Seeding || s.Problem != "" {
		t.Errorf("after the disk was full: %+v", s)
	}
	if again := s.Downloaded - w.size(); again > int64(pieces-have)*testPiece {
		t.Errorf("%d bytes came twice, although %d pieces were safe", again, have)
	}
	stop()
}

// Where a write fails although there seems to be space, going on at once would fetch the same in vain for ever: waits grow.
func TestPausesGrowUntilSomethingIsGained(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	e, _ := start(t, Config{})
	tor := add(t, e, w.spec(t.TempDir()))
	await(t, "it is ready", tor.accepting)
	pause := func() time.Duration {
		tor.onResult(disk.Result{Kind: disk.WriteFailed, Piece: 1, Err: fmt.Errorf("quota: %w", storage.ErrNoSpace)})
		if s := tor.Stats().State; s != Paused {
			t.Fatalf("after a failed write it is %v", s)
		}
		tor.retrySpace()
		if s := tor.Stats().State; s != Downloading {
			t.Fatalf("with space it is %v", s)
		}
		tor.mu.Lock()
		defer tor.mu.Unlock()
		return tor.space.wait
	}
	if a, b, c := pause(), pause(), pause(); a != firstLook || b != 2*a || c != 2*b {
		t.Errorf("waits %v, %v, %v", a, b, c)
	}
	for range 10 {
		pause()
	}
	if d := pause(); d != lastLook {
		t.Errorf("waits %v at last", d)
	}
	tor.mu.Lock()
	tor.progress.bytes += testPiece
	tor.mu.Unlock()
	if d := pause(); d != firstLook {
		t.Errorf("waits %v although a piece was gained", d)
	}
}

// The disk reports a failed write when it happens, and again as the answer to the Verify that was under way. Only one of them
// takes the piece from the brain: the other would take its next attempt.
func TestAFailedWriteLosesThePieceOnce(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	e, _ := start(t, Config{})
	tor := add(t, e, w.spec(t.TempDir()))
	await(t, "it is ready", tor.accepting)
	full := fmt.Errorf("write: %w", storage.ErrNoSpace)
	awaited := func() bool {
		tor.mu.Lock()
		defer tor.mu.Unlock()
		return tor.progress.asked[3]
	}
	tor.mu.Lock()
	tor.progress.asked[3] = true
	tor.mu.Unlock()
	tor.onResult(disk.Result{Kind: disk.WriteFailed, Piece: 3, Err: full})
	if !awaited() {
		t.Error("the verdict is still to come")
	}
	tor.onResult(disk.Result{Kind: disk.WriteFailed, Piece: 3, Asked: true, Err: full})
	if awaited() {
		t.Error("the verdict has come")
	}
	// A verdict that the brain did not ask for counts nothing.
	tor.onResult(disk.Result{Kind: disk.Verified, Piece: 4, OK: true})
	if s := tor.Stats(); s.Have != 0 {
		t.Errorf("%d bytes count as verified that the brain does not know", s.Have)
	}
}
