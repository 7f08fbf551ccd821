package cli

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What a flag shows as its value is what it reads back.
func TestFlagValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := size(rapid.Int64Min(0).Draw(t, "size"))
		d := duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "duration"))
		var s2 size
		var d2 duration
		if err := s2.Set(s.String()); err != nil || s2 != s {
			t.Fatalf("size %d reads back as %d, %v", s, s2, err)
		}
		if err := d2.Set(d.String()); err != nil || d2 != d {
			t.Fatalf("duration %d reads back as %d, %v", d, d2, err)
		}
	})
}
