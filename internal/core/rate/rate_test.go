package rate

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// From its start on no more than rate x time is granted, or one request more where requests are larger than Burst, however it is asked; and who always asks gets it all.
func TestBucketKeepsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSec := rapid.Int64Range(1000, 1<<31).Draw(t, "rate")
		var b Bucket
		b.Set(0, perSec)
		var now time.Duration
		var taken, largest int64
		for range rapid.IntRange(1, 200).Draw(t, "asks") {
			now += time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "gap"))
			n := rapid.Int64Range(1, 1<<17).Draw(t, "bytes")
			largest = max(largest, n)
			if b.Take(now, n) {
				taken += n
			} else if at := b.At(n); at <= now {
				t.Fatalf("refused at %v and promised for %v", now, at)
			}
			limit := int64(float64(perSec) * now.Seconds())
			if largest > Burst(perSec) {
				limit += largest
			}
			if taken > limit+1 {
				t.Fatalf("%d bytes in %v, limit %d", taken, now, limit)
			}
		}
	})
}

func TestBucketGivesItsWholeRate(t *testing.T) {
	const perSec, block = 2 << 20, 16 << 10
	var b Bucket
	b.Set(0, perSec)
	var now time.Duration
	taken := 0
	for now < 30*time.Second {
		for b.Take(now, block) {
			taken += block
		}
		now = max(b.At(block), now+time.Millisecond)
	}
	got, want := float64(taken), float64(perSec)*now.Seconds()
	if got > want || got < want-2*block {
		t.Errorf("%.0f bytes in %v, want %.0f but for a block that is not there yet", got, now, want)
	}
}

func TestBucketReturnAndUnlimited(t *testing.T) {
	var b Bucket
	if !b.Take(0, 1<<40) || b.Full(0) {
		t.Error("the zero Bucket is not unlimited")
	}
	b.Set(0, 1000)
	if b.Rate() != 1000 || b.Full(0) || b.Take(0, 1) {
		t.Error("a new bucket is not empty")
	}
	idle := 2 * time.Minute
	if !b.Full(idle) || !b.Take(idle, Burst(1000)) || b.Take(idle, 1) {
		t.Error("after a long while a bucket does not hold its burst")
	}
	b.Return(idle, 10)
	if !b.Take(idle, 10) || b.Take(idle, 1) {
		t.Error("returned bytes are not there")
	}
	b.Set(idle, 2000)
	if at := b.At(1000); at != idle+500*time.Millisecond {
		t.Errorf("1000 bytes at 2000/s at %v", at)
	}
	b.Set(idle, 0)
	if !b.Take(idle, 1<<40) {
		t.Error("rate 0 is not unlimited")
	}
}

// BEP 3: "a rolling 20-second average".
func TestMeterForgetsAfterTwentySeconds(t *testing.T) {
	var m Meter
	if m.Rate(0) != 0 {
		t.Error("nothing added, and a rate")
	}
	m.Add(0, 1000)
	m.Add(10*time.Second, 1000)
	if got := m.Rate(10 * time.Second); got != 200 {
		t.Errorf("2000 bytes in 10 s: %d/s", got)
	}
	if got := m.Rate(25 * time.Second); got < 40 || got > 60 {
		t.Errorf("1000 bytes in the last 20 s: %d/s", got)
	}
	if got := m.Rate(40 * time.Second); got != 0 {
		t.Errorf("after 20 s of silence: %d/s", got)
	}
	if m.Total() != 2000 {
		t.Errorf("total %d", m.Total())
	}
}

func TestMeterAgainstSteadyFlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSec := 100 * rapid.Int64Range(10, 1<<23).Draw(t, "hundreds")
		start := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "start"))
		length := time.Duration(rapid.Int64Range(int64(2*time.Second), int64(50*time.Second)).Draw(t, "length"))
		var m Meter
		now := start
		for ; now < start+length; now += 10 * time.Millisecond {
			m.Add(now, perSec/100)
		}
		for _, over := range []time.Duration{2 * time.Second, 5 * time.Second, Window} {
			if got := m.Over(now, over); float64(got) < 0.95*float64(perSec) || float64(got) > 1.05*float64(perSec) {
				t.Fatalf("over %v: %d/s of a flow of %d/s", over, got, perSec)
			}
		}
	})
}
