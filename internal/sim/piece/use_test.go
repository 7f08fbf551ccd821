package piece

import "testing"

// No uplink is faster than its rate, in no stretch of the timeline, although a piece is told when it is sent: before, it was shown as if it had
// come in the last instant.
func TestUploadUseIsSpreadOverTime(t *testing.T) {
	res := run(t, equal(100, 16))
	busy := 0
	for _, l := range res.Line {
		if l.UploadUse > 1.0001 {
			t.Errorf("at %v: %.4f of the uploads used", l.At, l.UploadUse)
		}
		if l.UploadUse > 0.9 {
			busy++
		}
	}
	if busy < len(res.Line)/4 {
		t.Errorf("%d of %d samples with busy uplinks", busy, len(res.Line))
	}
}
