package disk

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

const killDir = "EDDY_TEST_KILL_DIR"

var killLayout = metainfo.Layout{Size: 400 * 32 << 10, PieceLength: 32 << 10}

func killFiles(dir string) (*storage.Files, error) {
	return storage.OpenFiles(storage.FilesConfig{Root: filepath.Join(dir, "data"), Files: []storage.FileSpec{
		{Path: "a", Length: 1_000_000}, {Path: "b", Offset: 1_000_000, Length: killLayout.Size - 1_000_000},
	}})
}

// resume does what an engine does at the start: trust the durable record, hash what the journal adds.
func resume(t testing.TB, dir string, results func(Result)) (*rig, *Store, []byte) {
	files, err := killFiles(dir)
	do(t, err)
	store := openStore(t, filepath.Join(dir, "state.db"), nil)
	rec := load(t, store, metainfo.ID{V1: [20]byte{1}})
	r := newRig(t, killLayout, files, Config{Progress: store, CommitInterval: 20 * time.Millisecond}, func(c *TorrentConfig) {
		c.Have = rec.Durable
		if results != nil {
			c.Results = results
		}
	})
	pieces := []int{}
	for i := range killLayout.NumPieces() {
		if hasBit(rec.Journaled, i) && !hasBit(rec.Durable, i) {
			pieces = append(pieces, i)
		}
	}
	if _, err := r.torrent.Recheck(context.Background(), pieces, nil); err != nil {
		t.Fatal(err)
	}
	return r, store, rec.Durable
}

// killedChild, in a process started by TestKill, fetches what is missing, piece by piece, tells which verified, and is
// killed at some moment.
func killedChild() {
	dir := os.Getenv(killDir)
	if dir == "" {
		return
	}
	var t childTB
	verified := make(chan Result, 1000)
	r, _, _ := resume(&t, dir, func(res Result) { verified <- res })
	have := r.torrent.Have()
	for i := range killLayout.NumPieces() {
		if hasBit(have, i) {
			continue
		}
		r.torrent.Write(r.blocks(i), nil)
		r.torrent.Verify(i, false)
		res := <-verified
		fmt.Println(res.Piece, res.OK)
	}
	fmt.Println("done")
	select {} // until killed
}

// childTB is the little of testing.TB that the child needs.
type childTB struct{ testing.TB }

func (*childTB) Helper()                   {}
func (*childTB) Error(a ...any)            { fmt.Println(a...) }
func (*childTB) Fatal(a ...any)            { fmt.Println(a...); os.Exit(1) }
func (*childTB) Fatalf(f string, a ...any) { fmt.Printf(f, a...); os.Exit(1) }

// "A kill costs at most one piece a peer [...]; never a full recheck" (trust.md, promise 2): a process is killed -9 again
// and again; every piece it had told of is found again, and hashes.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 4))
	told := newBits(killLayout.NumPieces())
	for round := range 12 {
		killOne(t, dir, rng.IntN(70), told)
		r, store, durable := resume(t, dir, nil)
		have := r.torrent.Have()
		again, err := r.torrent.Recheck(context.Background(), nil, nil)
		do(t, err)
		for i := range killLayout.NumPieces() {
			if hasBit(told, i) && !hasBit(have, i) {
				t.Errorf("round %d: piece %d was verified before the kill and is lost", round, i)
			}
			if (hasBit(durable, i) || hasBit(have, i)) && !hasBit(again, i) {
				t.Errorf("round %d: piece %d is called complete and does not hash", round, i)
			}
		}
		r.stop()
		r.torrent.Close()
		do(t, r.torrent.cfg.Store.Close(), store.Close())
	}
}

// killOne runs a child until it told of n pieces, or is done, and kills it.
func killOne(t *testing.T, dir string, n int, told []byte) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	out, err := cmd.StdoutPipe()
	do(t, err)
	do(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for ; n >= 0 && lines.Scan() && lines.Text() != "done"; n-- {
		var piece int
		var ok bool
		if _, err := fmt.Sscan(lines.Text(), &piece, &ok); err != nil || !ok {
			t.Errorf("child: %s", lines.Text())
			break
		}
		setBit(told, piece)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() // "killed" is what it says
}
