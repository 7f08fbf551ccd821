package cli

import (
	"context"
	"errors"
	"time"

	"github.com/eddy-p2p/eddy"
)

// pauseLook is how often a download is asked whether it had to pause.
const pauseLook = 250 * time.Millisecond

// tellPauses says when the download pauses for want of disk space, which it survives, and when it goes on, until ctx is done.
func (d *download) tellPauses(ctx context.Context) {
	ticker := time.NewTicker(pauseLook)
	defer ticker.Stop()
	paused := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := d.torrent.Stats().State == eddy.Paused
		switch {
		case now && !paused:
			d.inv.complain(&Failure{
				What: "writing", Target: d.torrent.Path(), Cause: errors.New("the disk is full"),
				Hint: "free some space: the transfer is paused, nothing is lost, and it goes on by itself", Code: exitDisk,
			})
		case paused && !now:
			d.inv.say("there is space again: going on")
		}
		paused = now
	}
}
