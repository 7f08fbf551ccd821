package content

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// seal makes a cache file of a body, as save does.
func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(bytes.Clone(body), sum[:]...)
}

// A cache file is ours, but anything may have happened to it: whatever does not carry the right sum gives nothing.
func FuzzParseCache(f *testing.F) {
	f.Add([]byte(cacheMagic), []byte{})
	f.Add(append([]byte(cacheMagic), make([]byte, 2*cacheRecord)...), []byte("x"))
	f.Add([]byte("other"), []byte{0})
	f.Fuzz(func(t *testing.T, body, extra []byte) {
		whole := seal(body)
		known := parseCache(whole)
		if !bytes.HasPrefix(body, []byte(cacheMagic)) {
			if known != nil {
				t.Fatal("a file without the magic was read")
			}
		} else if known == nil || len(known) > (len(body)-len(cacheMagic))/cacheRecord {
			t.Fatalf("%d records from %d bytes", len(known), len(body))
		}
		if len(extra) > 0 {
			if got := parseCache(append(bytes.Clone(whole), extra...)); got != nil {
				t.Fatal("a file with bytes behind its end was read")
			}
		}
		if got := parseCache(whole[:len(whole)-1]); got != nil {
			t.Fatal("a file cut short was read")
		}
	})
}
