package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Result sums one run up. Times are virtual. Fidelity, Model, Bound and Ratio are set by package sim.
type Result struct {
	Scenario string
	Fidelity string // "engine" or "fast"
	Model    string // of bandwidth, in a sentence
	Seed     uint64
	Digest   string // hash of the times and bytes of all peers, 16 hex digits: equal runs have equal ones

	Peers    int // that came, servers left out
	Complete int // of those, how many became complete
	Failed   int // how many were gone without a word before they were; who is neither was cut off by the end

	First    time.Duration // the first arrival
	LastDone time.Duration // from the first arrival to the last completion; 0 when nobody is complete
	End      time.Duration // the last event; where somebody is neither complete nor failed, the limit of the run
	Bound    Bound
	Ratio    float64 // LastDone over Bound; 0 = unknown

	Own     Times           // from a peer's arrival to its completion
	All     []time.Duration // the same of each complete peer, ascending
	Classes []Class         // as in the scenario
	Flow    Matrix

	FromServer int64   // bytes that the servers sent
	Sent       int64   // bytes that all sent
	Wasted     int64   // bytes received that were of no use
	UploadUse  float64 // share of what the honest could have uploaded from First to the last completion; -1 = nobody is complete
	Fairness   Fairness
	Line       []Sample
}

// Bound is the least time of the scenario, see package theory. Seconds is 0 where it is unknown.
type Bound struct {
	Seconds float64
	Limit   string // server, download or aggregate
}

// Times is a distribution of times. All are 0 of nothing.
type Times struct{ Min, P10, P25, Median, P75, P90, P99, Max, Mean time.Duration }

// Class is the result of the peers of a class.
type Class struct {
	Name                    string
	Peers, Complete, Failed int     // as in Result
	Own                     Times   // of those who are complete
	Up, Down                int64   // bytes
	FromServer              int64   // bytes of Down
	Share                   float64 // Up over Down, at the end; 0 when nothing came
	Lent                    float64 // the same while they were not complete: what they gave for what they got
}

// Matrix says who served whom: row from, column to. The first row and column are the servers, the others the classes.
type Matrix struct {
	Names    []string
	Bytes    [][]int64
	Unchoked [][]float64 // seconds, summed over all links
}

// Result returns what happened so far.
func (r *Recorder) Result() *Result {
	servers := r.sc.Servers()
	res := &Result{Scenario: r.sc.Name, Seed: r.sc.Seed, Digest: r.digest(), End: r.last, Classes: r.classes(), Flow: r.matrix(),
		FromServer: r.uploaded(0), Fairness: r.fairness(), Line: r.lines()}
	first := scenario.Forever
	var last time.Duration
	for i := servers; i < len(r.list); i++ {
		if p := &r.list[i]; p.joined >= 0 {
			res.Peers++
			first = min(first, p.joined)
			if p.failed && p.done < 0 {
				res.Failed++
			}
			if p.done >= 0 {
				last = max(last, p.done)
				res.All = append(res.All, p.done-p.joined)
			}
		}
	}
	slices.Sort(res.All)
	res.Own, res.Complete = times(res.All), len(res.All)
	if res.Peers > 0 {
		res.First = first
	}
	if res.Complete > 0 {
		res.LastDone = last - first
	}
	for g := range r.groups {
		res.Sent += r.uploaded(g)
	}
	for _, f := range r.flow {
		res.Wasted += f.wasted
	}
	res.UploadUse = r.use.share()
	return res
}

// digest hashes what happened to each peer.
func (r *Recorder) digest() string {
	h := sha256.New()
	var row [40]byte
	for i := range r.list {
		p := &r.list[i]
		for k, v := range [...]int64{int64(p.joined), int64(p.done), int64(p.left), p.up, p.down} {
			binary.BigEndian.PutUint64(row[8*k:], uint64(v))
		}
		h.Write(row[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// classes sums the peers up by class.
func (r *Recorder) classes() []Class {
	out := make([]Class, len(r.sc.Classes))
	own := make([][]time.Duration, len(out))
	lent, took := make([]int64, len(out)), make([]int64, len(out))
	for c := range out {
		out[c].Name = r.sc.Classes[c].Name
		out[c].FromServer = r.flow[c+1].bytes
	}
	for i := r.sc.Servers(); i < len(r.list); i++ {
		p := &r.list[i]
		if p.joined < 0 {
			continue
		}
		c := &out[p.group-1]
		c.Peers++
		c.Up, c.Down = c.Up+p.up, c.Down+p.down
		given := p.up
		if p.done >= 0 {
			given = p.lent
			own[p.group-1] = append(own[p.group-1], p.done-p.joined)
		}
		lent[p.group-1] += given
		took[p.group-1] += p.down
		if p.failed && p.done < 0 {
			c.Failed++
		}
	}
	for c := range out {
		slices.Sort(own[c])
		out[c].Own, out[c].Complete = times(own[c]), len(own[c])
		out[c].Share, out[c].Lent = ratio(out[c].Up, out[c].Down), ratio(lent[c], took[c])
	}
	return out
}

// matrix copies the flows, open links counted up to the latest event.
func (r *Recorder) matrix() Matrix {
	m := Matrix{Names: []string{"server"}}
	for c := range r.sc.Classes {
		m.Names = append(m.Names, r.sc.Classes[c].Name)
	}
	for from := range r.groups {
		bytes, unchoked := make([]int64, r.groups), make([]float64, r.groups)
		for to := range r.groups {
			f := r.flow[from*r.groups+to]
			bytes[to] = f.bytes
			unchoked[to] = float64(f.unchoked+f.open*r.last.Microseconds()) / 1e6
		}
		m.Bytes, m.Unchoked = append(m.Bytes, bytes), append(m.Unchoked, unchoked)
	}
	return m
}

// times describes an ascending list.
func times(sorted []time.Duration) Times {
	if len(sorted) == 0 {
		return Times{}
	}
	var sum float64
	for _, t := range sorted {
		sum += float64(t)
	}
	q := func(p float64) time.Duration { return Quantile(sorted, p) }
	return Times{Min: q(0), P10: q(0.1), P25: q(0.25), Median: q(0.5), P75: q(0.75), P90: q(0.9), P99: q(0.99), Max: q(1),
		Mean: time.Duration(sum / float64(len(sorted)))}
}

// Quantile returns the p-quantile of an ascending, non-empty list, between two of its values in proportion.
func Quantile(sorted []time.Duration, p float64) time.Duration {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + time.Duration((at-float64(i))*float64(sorted[i+1]-sorted[i]))
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
