// Package eddy shares files with many machines at the speed that the swarm as a whole allows, over standard BitTorrent.
//
// A Client owns the sockets and disk workers; Run runs it. Add gives it torrents, made from a .torrent (package
// metainfo) or from content with Create. A Torrent tells how far it is, and NewReader streams its content while it
// arrives:
//
//	client, err := eddy.NewClient(eddy.Config{StateDir: dir})
//	go client.Run(ctx)
//	t, err := client.Add(eddy.TorrentOptions{Meta: meta, Dir: "downloads"})
//	err = t.Wait(ctx)
//
// The decisions (which piece to request, whom to serve) are made by pure code in internal/core, which the simulator
// runs as well; ARCHITECTURE.md is the tour.
package eddy
