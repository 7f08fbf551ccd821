package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/eddy-p2p/eddy/metainfo"
)

// The cache remembers pieces, not trees: a piece is known by its recipe, the hash of which bytes of which files it is made
// of, where a file is known by path, size, time of change, inode and device. So when one file of a directory changes, only
// the pieces that touch it, or that moved against their files, are read again.
//
// A cache file holds the pieces of one tree for one format and piece length: cacheMagic, a record of recipe, v1 and v2 sum
// for each piece, and the SHA-256 of all that. Anything else is ignored.
const (
	cacheMagic  = "eddy piece hashes 1\n"
	cacheRecord = 32 + 20 + 32

	// racy is the resolution of file times to reckon with: a file changed so shortly before it was scanned could change
	// once more and keep its time.
	racy = 20 * time.Millisecond
)

// cache is the remembered pieces of a tree, and the recipes of those it has now.
type cache struct {
	path    string // "": there is none
	recipes [][32]byte
	known   map[[32]byte]pieceSum
}

// openCache reads the cache of a job.
func (j *job) openCache() *cache {
	c := &cache{}
	if j.opt.CacheDir == "" {
		return c
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s\x00%v\x00%d", j.tree.Root, j.opt.Format, j.opt.PieceLength))
	c.path = filepath.Join(j.opt.CacheDir, hex.EncodeToString(key[:16])+".hashes")
	c.recipes = j.recipes()
	if !j.opt.Rehash {
		c.known = readCache(c.path)
	}
	return c
}

// get returns the sum of piece i, if it is known.
func (c *cache) get(i int) (pieceSum, bool) {
	if c.path == "" {
		return pieceSum{}, false
	}
	sum, ok := c.known[c.recipes[i]]
	return sum, ok
}

// recipes returns what identifies the content of each piece without reading it.
func (j *job) recipes() [][32]byte {
	ids := make([][32]byte, len(j.files))
	for i, f := range j.from {
		if f != nil {
			ids[i] = sha256.Sum256(fmt.Appendf(nil, "%s\x00%d %d %d %d", f.Real, f.Size, f.ModTime.UnixNano(), f.Inode, f.Dev))
		} // padding has the zero id: its length says it all
	}
	out := make([][32]byte, len(j.sums))
	first := 0
	for i := range out {
		start := j.shape.layout.PieceOffset(i)
		end := start + j.shape.layout.PieceSize(i)
		h := sha256.New()
		fmt.Fprintf(h, "%v %d ", j.opt.Format, j.opt.PieceLength)
		for first < len(j.files) && j.files[first].Offset+j.files[first].Length <= start {
			first++
		}
		for k := first; k < len(j.files) && j.files[k].Offset < end; k++ {
			f := &j.files[k]
			from, to := max(start, f.Offset), min(end, f.Offset+f.Length)
			if from < to {
				h.Write(ids[k][:])
				fmt.Fprintf(h, "%d %d ", from-f.Offset, to-from)
			}
		}
		h.Sum(out[i][:0])
	}
	return out
}

// readCache reads a cache file; nothing if there is none or it is not whole.
func readCache(path string) map[[32]byte]pieceSum {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = len(cacheMagic) + metainfo.MaxPieces*cacheRecord + sha256.Size
	raw, err := io.ReadAll(io.LimitReader(f, int64(most)))
	if err != nil {
		return nil
	}
	return parseCache(raw)
}

// parseCache returns the pieces that a cache file holds; nil if it is not whole.
func parseCache(raw []byte) map[[32]byte]pieceSum {
	if len(raw) < len(cacheMagic)+sha256.Size {
		return nil
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(want[:], sum) || !bytes.HasPrefix(body, []byte(cacheMagic)) {
		return nil
	}
	body = body[len(cacheMagic):]
	known := make(map[[32]byte]pieceSum, len(body)/cacheRecord)
	for ; len(body) >= cacheRecord; body = body[cacheRecord:] {
		known[[32]byte(body)] = pieceSum{v1: [20]byte(body[32:]), v2: [32]byte(body[52:])}
	}
	return known
}

// save replaces the cache file by the pieces of a job. A cache that cannot be written costs time later and nothing now, so
// that errors end here.
func (c *cache) save(j *job) {
	if c.path == "" {
		return
	}
	young := j.young()
	raw := make([]byte, 0, len(cacheMagic)+len(j.sums)*cacheRecord+sha256.Size)
	raw = append(raw, cacheMagic...)
	for i := range j.sums {
		if young[i] {
			continue
		}
		raw = append(raw, c.recipes[i][:]...)
		raw = append(raw, j.sums[i].v1[:]...)
		raw = append(raw, j.sums[i].v2[:]...)
	}
	sum := sha256.Sum256(raw)
	_ = replaceFile(c.path, append(raw, sum[:]...))
}

// young marks the pieces with bytes of a file whose time of change is too fresh to be relied on.
func (j *job) young() []bool {
	marks := make([]bool, len(j.sums))
	for i, f := range j.from {
		if f == nil || f.Size == 0 || j.started.Sub(f.ModTime) >= racy {
			continue
		}
		last := j.shape.layout.PieceAt(j.files[i].Offset + f.Size - 1)
		for p := j.shape.layout.PieceAt(j.files[i].Offset); p <= last; p++ {
			marks[p] = true
		}
	}
	return marks
}

// replaceFile writes a file so that readers see the old or the new one, whole.
func replaceFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".hashes-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
