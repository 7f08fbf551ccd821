// Package rate measures and limits bytes per second for the pure machines of core. Nothing here reads a clock: now is an
// argument, a Duration since the machine's start that never runs backwards.
package rate

import "time"

// Bucket is a token bucket: bytes may be taken as long as it is not in debt, and it fills at a steady rate. The zero
// Bucket is unlimited. Not safe for concurrent use.
//
// Tokens are counted in nanoseconds of filling rather than in bytes, so that no rounding is lost however often it is
// asked: over any time t at most rate x t + Burst + one request's bytes are granted, and from the moment when the limit was set
// at most rate x t, where no request is larger than Burst.
type Bucket struct {
	perSec int64         // bytes/s; 0 = unlimited
	full   time.Duration // the time that a full bucket takes to fill
	credit time.Duration // may be negative: debt
	at     time.Duration // credit is right at this moment
}

// minBurst is the smallest capacity, in bytes: four blocks, so that a late timer does not cost rate.
const minBurst = 64 << 10

// burstTime is the capacity of a fast bucket, in time.
const burstTime = 50 * time.Millisecond

// Burst returns the capacity in bytes of a bucket of the given rate: max(64 KiB, 50 ms x rate).
func Burst(perSec int64) int64 {
	return max(minBurst, int64(float64(perSec)*burstTime.Seconds()))
}

// Set changes the rate (bytes/s; <= 0 = unlimited). A bucket that was unlimited starts empty, so that whoever
// keeps a limit from its start on never stands above it.
func (b *Bucket) Set(now time.Duration, perSec int64) {
	perSec = max(perSec, 0)
	if perSec == b.perSec {
		return
	}
	b.fill(now)
	was := b.perSec
	b.perSec, b.at = perSec, now
	if perSec == 0 {
		return
	}
	b.full = b.span(Burst(perSec))
	if was == 0 {
		b.credit = 0
		return
	}
	// The same bytes of credit or debt, at the new rate.
	b.credit = min(b.full, time.Duration(float64(b.credit)*float64(was)/float64(perSec)))
}

// Rate returns the rate in bytes/s, 0 when unlimited.
func (b *Bucket) Rate() int64 { return b.perSec }

// Take takes n bytes if they are there, and reports whether it did.
func (b *Bucket) Take(now time.Duration, n int64) bool {
	if b.perSec == 0 {
		return true
	}
	b.fill(now)
	// More than the bucket holds is let through when it is full: the debt is paid before the next.
	need := b.span(n)
	if b.credit < min(need, b.full) {
		return false
	}
	b.credit -= need
	return true
}

// Return gives back n bytes that were taken and not used.
func (b *Bucket) Return(now time.Duration, n int64) {
	if b.perSec != 0 {
		b.fill(now)
		b.credit = min(b.full, b.credit+b.span(n))
	}
}

// Full reports whether the bucket is limited and has not been used up to its rate of late.
func (b *Bucket) Full(now time.Duration) bool {
	if b.perSec == 0 {
		return false
	}
	b.fill(now)
	return b.credit >= b.full
}

// At returns when n bytes will be there; now or before when they already are.
func (b *Bucket) At(n int64) time.Duration {
	if b.perSec == 0 {
		return b.at
	}
	return b.at + max(0, min(b.span(n), b.full)-b.credit)
}

func (b *Bucket) fill(now time.Duration) {
	if now > b.at {
		b.credit = min(b.full, b.credit+(now-b.at))
		b.at = now
	}
}

func (b *Bucket) span(n int64) time.Duration {
	return time.Duration(float64(n) * float64(time.Second) / float64(b.perSec))
}
