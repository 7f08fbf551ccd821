// Package interop drives eddy's binary together with the clients, trackers and torrent makers that people have: Debian's
// aria2, transmission-daemon, python3-libtorrent, opentracker, mktorrent and transmission-create.
package interop

import (
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
