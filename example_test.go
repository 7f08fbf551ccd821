package eddy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/eddy-p2p/eddy"
)

// must ends an example whose surroundings are broken, as a program's main would.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// scratch returns a directory of its own for an example, with a file of 1 MiB in it, and how to remove it.
func scratch() (dir, file string, remove func()) {
	dir, err := os.MkdirTemp("", "eddy-example-")
	must(err)
	file = filepath.Join(dir, "film")
	must(os.WriteFile(file, bytes.Repeat([]byte("0123456789abcdef"), 1<<16), 0o644))
	return dir, file, func() { os.RemoveAll(dir) }
}

// start runs a client on loopback. stop takes leave of the swarm and returns when all is written down.
func start(cfg eddy.Config) (client *eddy.Client, stop func()) {
	cfg.Listen = "127.0.0.1:0"
	client, err := eddy.NewClient(cfg)
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	return client, func() {
		cancel()
		must(<-done)
	}
}

// One client shares a file, another fetches it. Between machines the address of the first would come from a tracker; here
// it is given with Peers.
func Example() {
	dir, file, remove := scratch()
	defer remove()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	source, err := eddy.Create(ctx, file, eddy.CreateOptions{})
	must(err)
	seeder, stop := start(eddy.Config{})
	defer stop()
	_, err = seeder.Add(eddy.TorrentOptions{Source: source})
	must(err)

	leecher, stop := start(eddy.Config{})
	defer stop()
	t, err := leecher.Add(eddy.TorrentOptions{
		Meta:  source.Meta,
		Dir:   filepath.Join(dir, "downloads"),
		Peers: []string{seeder.Addr().String()},
	})
	must(err)
	must(t.Wait(ctx)) // every piece is verified, and the file has its final name

	want, err := os.ReadFile(file)
	must(err)
	got, err := os.ReadFile(t.Path())
	must(err)
	fmt.Println(len(got), "bytes, identical:", bytes.Equal(got, want))
	// Output: 1048576 bytes, identical: true
}

// Create hashes a file or directory on all cores. The bytes for a .torrent file come from the metainfo.
func ExampleCreate() {
	dir, file, remove := scratch()
	defer remove()

	source, err := eddy.Create(context.Background(), file, eddy.CreateOptions{
		PieceLength: 64 << 10,
		Trackers:    [][]string{{"http://tracker.example.org:6969/announce"}},
	})
	must(err)
	must(os.WriteFile(filepath.Join(dir, "film.torrent"), source.Meta.Bytes(), 0o644))

	layout := source.Meta.Info.Layout()
	fmt.Println(source.Meta.Info.Name, source.Size, "bytes in", layout.NumPieces(), "pieces of", layout.PieceLength)
	fmt.Println(source.Meta.ID)
	// Output:
	// film 1048576 bytes in 16 pieces of 65536
	// 1c627b92763ca986b3145e904bbe6e49ce26aad8
}

// A client needs no configuration. Run blocks; torrents may be added before it and while it runs.
func ExampleClient() {
	client, err := eddy.NewClient(eddy.Config{
		Listen:      "127.0.0.1:0", // any port
		UploadLimit: 10 << 20,      // bytes/s
	})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- client.Run(ctx) }()

	fmt.Println("peers connect to", client.Addr().Addr())

	cancel() // announce the leave, write the resume records, close the sockets
	fmt.Println("ended with", <-done)
	// Output:
	// peers connect to 127.0.0.1
	// ended with <nil>
}

// Errors are found with errors.Is. Add itself opens no file: trouble with files comes from Wait.
func ExampleTorrent_Wait() {
	dir, file, remove := scratch()
	defer remove()
	source, err := eddy.Create(context.Background(), file, eddy.CreateOptions{})
	must(err)
	mine := filepath.Join(dir, "downloads", "film")
	must(os.Mkdir(filepath.Dir(mine), 0o755))
	must(os.WriteFile(mine, []byte("something else"), 0o644))

	client, stop := start(eddy.Config{})
	defer stop()
	t, err := client.Add(eddy.TorrentOptions{Meta: source.Meta, Dir: filepath.Dir(mine)})
	must(err)
	err = t.Wait(context.Background())
	fmt.Println("conflict:", errors.Is(err, eddy.ErrConflict))

	left, err := os.ReadFile(mine)
	must(err)
	fmt.Printf("%s\n", left)
	// Output:
	// conflict: true
	// something else
}

// A Reader streams content while it arrives: what lies ahead of it is fetched first, and only verified bytes come out. Here
// it jumps to the middle, as a player would.
func ExampleReader() {
	dir, file, remove := scratch()
	defer remove()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	source, err := eddy.Create(ctx, file, eddy.CreateOptions{PieceLength: 64 << 10})
	must(err)
	seeder, stop := start(eddy.Config{})
	defer stop()
	_, err = seeder.Add(eddy.TorrentOptions{Source: source})
	must(err)
	leecher, stop := start(eddy.Config{})
	defer stop()
	t, err := leecher.Add(eddy.TorrentOptions{
		Meta: source.Meta, Dir: filepath.Join(dir, "downloads"), Sequential: true,
		Peers: []string{seeder.Addr().String()},
	})
	must(err)

	r := t.NewReader(ctx)
	defer r.Close()
	_, err = r.Seek(512<<10, io.SeekStart)
	must(err)
	buf := make([]byte, 16)
	_, err = io.ReadFull(r, buf)
	must(err)
	fmt.Printf("%s\n", buf)
	// Output: 0123456789abcdef
}

// Verify compares content with its torrent, without a client.
func ExampleVerify() {
	_, file, remove := scratch()
	defer remove()
	ctx := context.Background()
	source, err := eddy.Create(ctx, file, eddy.CreateOptions{PieceLength: 64 << 10})
	must(err)

	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	must(err)
	_, err = f.WriteAt([]byte("rot"), 200_000) // in piece 3: each has 65,536 bytes
	must(err)
	must(f.Close())

	report, err := eddy.Verify(ctx, source.Meta, file, 0, nil)
	must(err)
	fmt.Println(report.Good, "of", report.Pieces, "pieces are good; bad:", report.Bad)
	// Output: 15 of 16 pieces are good; bad: [3]
}
