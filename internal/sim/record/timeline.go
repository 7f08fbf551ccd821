package record

import (
	"math"
	"slices"
	"time"
)

// A timeline holds samples at equal steps of virtual time. How long a run takes is not known when it starts: when the
// timeline is full, every second sample goes and the step doubles, so that it always covers the whole run with between maxSamples/2
// and maxSamples of them. What is sampled is cumulative where it matters, so that nothing is lost by that.
type timeline struct {
	groups  int
	step    time.Duration
	next    time.Duration // of the next sample
	samples []sample
	up      []int64 // cumulative bytes by group, groups for each sample

	capable  float64 // integral of the capacity up to since, in bytes
	since    time.Duration
	capacity float64 // since then
}

// sample is the state of the swarm just before the events of its time.
type sample struct {
	at                time.Duration
	rarest, most      int32   // copies of the rarest and of the most frequent piece
	rarestSet         int32   // how many pieces are as rare
	mean              float64 // copies of a piece
	evenness          float64 // 1 = all pieces equally frequent
	leechers, present int32
	done              int32
	capable           float64 // bytes that could have been uploaded so far
}

const (
	maxSamples = 512
	firstStep  = time.Millisecond
)

func newTimeline(groups int) timeline {
	return timeline{groups: groups, step: firstStep, samples: make([]sample, 0, maxSamples), up: make([]int64, 0, maxSamples*groups)}
}

// sample takes all samples that are due at or before now.
func (r *Recorder) sample(now time.Duration) {
	l := &r.line
	for l.next <= now {
		if len(l.samples) == maxSamples {
			l.halve()
			continue
		}
		r.take(l, l.next)
		l.next += l.step
	}
}

// take appends the present state to a line as the sample of a time.
func (r *Recorder) take(l *timeline, at time.Duration) {
	s := sample{at: at, leechers: int32(r.leeching), present: int32(r.here), done: int32(r.done)}
	s.rarest, s.most, s.rarestSet, s.mean, s.evenness = diversity(r.copies)
	s.capable = r.capableAt(at)
	l.samples = append(l.samples, s)
	for g := range r.groups {
		l.up = append(l.up, r.uploaded(g))
	}
}

// spread adds to the samples after since what a group had sent by then of n bytes that it sends evenly until now, and that are not in
// any sample.
func (l *timeline) spread(since, now time.Duration, group int, n int64) {
	for i := len(l.samples) - 1; i >= 0 && l.samples[i].at > since; i-- {
		part := float64(min(now, l.samples[i].at)-since) / float64(now-since)
		l.up[i*l.groups+group] += int64(part * float64(n))
	}
}

// uploaded is the sum of bytes that a group has sent.
func (r *Recorder) uploaded(group int) (sum int64) {
	for _, f := range r.flow[group*r.groups : (group+1)*r.groups] {
		sum += f.bytes
	}
	return sum
}

// capableAt is the integral of the capacity from 0 to a time that is not before the last change.
func (r *Recorder) capableAt(at time.Duration) float64 {
	l := &r.line
	return l.capable + l.capacity*max(0, at-l.since).Seconds()
}

// capacityBy changes the capacity by some bytes/s.
func (r *Recorder) capacityBy(now time.Duration, change float64) {
	l := &r.line
	l.capable, l.since = r.capableAt(now), now
	l.capacity += change
}

// halve drops every second sample.
func (l *timeline) halve() {
	g := l.groups
	n := 0
	for i := 0; i < len(l.samples); i += 2 {
		l.samples[n] = l.samples[i]
		copy(l.up[n*g:(n+1)*g], l.up[i*g:(i+1)*g])
		n++
	}
	l.samples, l.up = l.samples[:n], l.up[:n*g]
	l.step *= 2
	l.next = l.samples[n-1].at + l.step
}

// diversity describes how evenly pieces are spread over the swarm. evenness is Pielou's: the Shannon entropy of the distribution
// of all copies over the pieces, over that of the even one. 1 for a single piece.
func diversity(copies []int32) (rarest, most, rarestSet int32, mean, evenness float64) {
	if len(copies) == 0 {
		return 0, 0, 0, 0, 1
	}
	rarest = math.MaxInt32
	var sum, entropy float64
	for _, c := range copies {
		switch {
		case c < rarest:
			rarest, rarestSet = c, 1
		case c == rarest:
			rarestSet++
		}
		most = max(most, c)
		sum += float64(c)
	}
	mean = sum / float64(len(copies))
	if len(copies) == 1 || sum == 0 || rarest == most {
		return rarest, most, rarestSet, mean, 1
	}
	for _, c := range copies {
		if c > 0 {
			p := float64(c) / sum
			entropy -= p * math.Log(p)
		}
	}
	return rarest, most, rarestSet, mean, entropy / math.Log(float64(len(copies)))
}

// closed returns a copy of the line that ends with the state after the latest event.
func (r *Recorder) closed() timeline {
	l := r.line
	n := len(l.samples)
	if n > 1 && l.samples[n-1].at == r.last { // the state just before
		n--
	}
	l.samples, l.up = slices.Clone(l.samples[:n]), slices.Clone(l.up[:n*l.groups])
	if n > 0 && r.last > l.samples[n-1].at {
		r.take(&l, r.last)
	}
	return l
}

// use is what was uploaded and what could have been, at the first arrival and at the last completion.
type use struct {
	started         bool
	sent, sentFirst int64 // bytes
	sentLast        int64
	capableFirst    float64 // bytes
	capableLast     float64
}

func (u *use) share() float64 {
	could := u.capableLast - u.capableFirst
	if could <= 0 {
		return -1
	}
	return float64(u.sentLast-u.sentFirst) / could
}

// Sample is the state of the swarm at a time, and what it did since the sample before.
type Sample struct {
	At              time.Duration
	Leechers, Seeds int       // present; seeds are the servers and the complete peers
	Done            int       // completions so far
	Rarest, Most    int       // copies of the rarest and the most frequent piece
	RarestSet       int       // pieces of which there are as few copies as of the rarest (Legout 2006: the rarest pieces set)
	Mean            float64   // copies of a piece
	Evenness        float64   // Pielou's: entropy of the copies over the pieces by its maximum; 1 = all pieces equally frequent
	UploadUse       float64   // of what the honest could have uploaded since the sample before; -1 = nothing could
	Up              []float64 // bytes/s that each group sent since the sample before: the servers, then the classes
}

// lines returns the samples.
func (r *Recorder) lines() []Sample {
	l := r.closed()
	out := make([]Sample, len(l.samples))
	for i, s := range l.samples {
		out[i] = Sample{At: s.at, Leechers: int(s.leechers), Seeds: int(s.present - s.leechers), Done: int(s.done), Rarest: int(s.rarest),
			Most: int(s.most), RarestSet: int(s.rarestSet), Mean: s.mean, Evenness: s.evenness, UploadUse: -1, Up: make([]float64, l.groups)}
		if i == 0 {
			continue
		}
		before := l.samples[i-1]
		var sum float64
		for g := range l.groups {
			moved := float64(l.up[i*l.groups+g] - l.up[(i-1)*l.groups+g])
			sum += moved
			out[i].Up[g] = moved / (s.at - before.at).Seconds()
		}
		if could := s.capable - before.capable; could > 0 {
			out[i].UploadUse = sum / could
		}
	}
	return out
}
