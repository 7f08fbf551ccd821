package engine

import (
	"fmt"
	"math"
	"sort"

	"github.com/eddy-p2p/eddy/storage"
)

// Stamp is what tells whether a file was touched since somebody vouched for its content.
type Stamp struct {
	Size  int64
	MTime int64 // ns since 1970
	Inode uint64
}

// stamp returns the stamp of file i and whether it has its final name.
func (t *Torrent) stamp(i int) (Stamp, bool) {
	if t.spec.Files[i].Pad {
		return Stamp{}, false
	}
	st, err := t.content.store.Stat(i)
	if err != nil || st.State != storage.FileFinal {
		return Stamp{}, false
	}
	return stampOf(st), true
}

func stampOf(st storage.FileStat) Stamp {
	return Stamp{Size: st.Size, MTime: st.ModTime.UnixNano(), Inode: st.Inode}
}

// seal remembers how file i looks, before it is checked or once it has its final name: whatever changes from then on is noticed.
func (t *Torrent) seal(i int) {
	if t.spec.Complete {
		t.content.seals[i].Store(&t.spec.Stamps[i])
	} else if s, final := t.stamp(i); final {
		t.content.seals[i].Store(&s)
	}
}

// Recheck looks at every finished file and fails the torrent with ErrSourceChanged where one is no longer what was verified.
// Serving looks too; this notices while nobody asks.
func (t *Torrent) Recheck() { t.fail(t.broken(0, math.MaxInt64)) }

// broken returns an error when a finished file that holds bytes of [off, off+n) was touched since it was sealed. Asked after the bytes were
// read, it makes sure that they are those which were verified: a changed source is an error of ours, and must not make
// honest receivers distrust us.
func (t *Torrent) broken(off, n int64) error {
	files := t.spec.Files
	for i := sort.Search(len(files), func(i int) bool { return files[i].Offset+files[i].Length > off }); i < len(files) && files[i].Offset < off+n; i++ {
		want := t.content.seals[i].Load()
		if want == nil || files[i].Pad {
			continue
		}
		if now, final := t.stamp(i); !final || now != *want {
			return fmt.Errorf("%s: %w", files[i].Path, ErrSourceChanged)
		}
	}
	return nil
}
