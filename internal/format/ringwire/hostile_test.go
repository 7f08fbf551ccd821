package ringwire

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"testing"
)

// A record costs work in proportion to its bytes, whatever a lying writer puts into it: thousands of versions, each of which has seen writers that no other
// has, as siblings or each over the one before it. Who joins them one by one copies the square of that.
func TestRecordWork(t *testing.T) {
	const versions, entries = 2000, 10
	for _, over := range []bool{false, true} {
		r := &Record{Key: "k"}
		for i := range uint64(versions) {
			v := Version{Dot: Dot{Writer: Writer{255}, Epoch: 1, Counter: i + 1}, Value: []byte{}, Hash: sha256.Sum256(nil)}
			for j := range uint64(entries) {
				var w Writer
				binary.BigEndian.PutUint64(w[:], j*versions+i)
				v.Context = append(v.Context, Dot{Writer: w, Epoch: 1, Counter: 1})
			}
			if over {
				v.Context = append(v.Context, Dot{Writer: Writer{255}, Epoch: 1, Counter: i})
			}
			r.Versions = append(r.Versions, v)
		}
		r, err := ParseRecord(r.Sort().Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		live := versions
		if over {
			live = 1
		}
		last := &Record{Key: "k", Versions: r.Versions[versions-1:]}
		for name, work := range map[string]func() int{
			"digest":  func() int { r.Digest(); return live },
			"live":    func() int { return len(r.Live()) },
			"merge":   func() int { return len(Merge(r, last).Live()) },
			"context": func() int { return len(r.Context()) - versions*entries - 1 + live },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := work()
			runtime.ReadMemStats(&after)
			if got != live {
				t.Errorf("%s, over %t: %d live versions, want %d", name, over, got, live)
			}
			if size, used := uint64(r.Size()), after.TotalAlloc-before.TotalAlloc; used > 64*size {
				t.Errorf("%s, over %t: %d bytes of memory for %d bytes", name, over, used, size)
			}
		}
	}
}
