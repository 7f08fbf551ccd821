package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/metainfo"
)

// A bug that some input finds costs its torrent: the others go on, and the client still stops (trust, promise 5).
func TestPanicFailsOnlyItsTorrent(t *testing.T) {
	boom := func(time.Duration) { panic("a bug") }
	for name, fire := range map[string]func(tor *Torrent){
		"in the brain": func(tor *Torrent) { tor.tell("testing", boom) },
		"beside it":    func(tor *Torrent) { tor.contain("testing", func() { panic("a bug") }) },
		"hearing of the disk": func(tor *Torrent) { // of a file that is not there
			tor.onResult(disk.Result{Kind: disk.Finished, File: 99})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, other := film(t, 8*testPiece, 1), publish(t, metainfo.V1, "other", false, named{"other", noise(1000, 2)})
			e, stop := start(t, Config{})
			s := w.spec(w.put(t, t.TempDir()))
			s.ReadOnly = true
			tor := add(t, e, s)
			s = other.spec(other.put(t, t.TempDir()))
			s.ReadOnly = true
			finish(t, add(t, e, s))
			finish(t, tor)
			fire(tor)
			if err := failure(t, tor); !errors.Is(err, ErrInternal) {
				t.Errorf("failed with %v, want %v", err, ErrInternal)
			}
			<-tor.Gone()
			if n := e.panics.Load(); n != 1 {
				t.Errorf("%d panics counted, want 1", n)
			}
			tor.Stats() // what is left of it can be looked at
			tor.Peers()
			fetch(t, other, Config{}, t.TempDir(), e.Addr())
			stop()
		})
	}
}
