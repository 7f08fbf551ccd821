package cli

import (
	"math"
	"strconv"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// planQuestion is what is asked of the theory. Bytes, bytes/s, seconds.
type planQuestion struct {
	size, server float64
	counts       []int          // numbers of equal peers, rising; nil when peers are listed
	listed       []theory.Class // peers of a file, in its order
	equal        *theory.Class  // the peers, if they upload alike
	piece        float64        // 0 = not asked
	deadline     float64        // 0 = not asked
	schedule     bool
}

// planAnswer is the JSON document of `eddy plan`. nil = not asked, or there is none.
type planAnswer struct {
	Size      int64         `json:"size"`
	ServerBPS int64         `json:"server_bps"`
	Rows      []planRow     `json:"rows"`
	Crossover *int          `json:"crossover_peers"` // from so many on, P2P takes less time; null = never
	Deadline  *planDeadline `json:"deadline"`
	Schedule  *planSchedule `json:"schedule"`

	q *planQuestion
}

// planRow is the least times for one number of peers.
type planRow struct {
	Peers             int              `json:"peers"`
	ClientServer      float64          `json:"client_server_s"`
	P2P               float64          `json:"p2p_s"`
	ClientServerLimit *theory.Limit    `json:"client_server_limit"`
	P2PLimit          *theory.Limit    `json:"p2p_limit"`
	Ratio             *float64         `json:"ratio"`    // client-server / P2P
	Pieces            *float64         `json:"pieces_s"` // with --piece-size
	Deadline          *planRowDeadline `json:"deadline"` // with --deadline
}

// planRowDeadline is the least rates that meet the deadline; null = none does, and blocked says for what.
type planRowDeadline struct {
	ClientServerBPS *float64      `json:"client_server_server_bps"` // of the server, alone
	ServerBPS       *float64      `json:"p2p_server_bps"`           // of the server, the peers as they are
	ServerBlocked   *theory.Limit `json:"server_blocked"`
	UpBPS           *float64      `json:"p2p_up_bps"` // of each peer, the server as it is
	UpBlocked       *theory.Limit `json:"up_blocked"` // "unlike" where the peers differ
}

// limitUnlike stands where one upload for each peer is no answer, because the peers upload differently.
const limitUnlike theory.Limit = "unlike"

// planDeadline is how many equal peers meet the deadline; null = any number (blocked is null), or the peers differ.
type planDeadline struct {
	Seconds      float64       `json:"seconds"`
	ClientServer *int          `json:"client_server_peers"`
	P2P          *int          `json:"p2p_peers"`
	Blocked      *theory.Limit `json:"blocked"` // 0 peers, and why
	AnyNumber    bool          `json:"p2p_any_number"`
}

// planSchedule is the fluid schedule for the most peers asked about.
type planSchedule struct {
	Peers     int          `json:"peers"`
	Seconds   float64      `json:"seconds"`
	RateBPS   float64      `json:"rate_bps"`   // at which every peer receives
	CommonBPS float64      `json:"common_bps"` // of the stream from the server to everybody
	ServerBPS float64      `json:"server_bps"` // what the server sends in all
	Streams   []planStream `json:"streams"`
}

// planStream is what peers that are alike do: each gets a stream of its own from the server and copies it to every other peer.
type planStream struct {
	Peers   int     `json:"peers"`
	UpBPS   float64 `json:"up_bps"`
	DownBPS float64 `json:"down_bps"` // 0 = no limit
	OwnBPS  float64 `json:"own_bps"`
	SentBPS float64 `json:"sent_bps"` // what each sends in all
}

// classes returns n peers.
func (q *planQuestion) classes(n int) []theory.Class {
	if q.listed != nil {
		return prefix(q.listed, n)
	}
	c := *q.equal
	c.Peers = n
	return []theory.Class{c}
}

// total returns the most peers asked about.
func (q *planQuestion) total() int {
	if q.listed == nil {
		return q.counts[len(q.counts)-1]
	}
	n := 0
	for _, c := range q.listed {
		n += c.Peers
	}
	return n
}

// answer works everything out.
func (q *planQuestion) answer() *planAnswer {
	a := &planAnswer{Size: int64(q.size), ServerBPS: int64(q.server), q: q}
	counts := q.counts
	if q.listed != nil {
		counts = []int{q.total()}
	}
	for _, n := range counts {
		a.Rows = append(a.Rows, q.row(n))
	}
	every := q.listed
	if every == nil {
		every = []theory.Class{*q.equal}
	}
	if n, ok := theory.Crossover(q.server, every...); ok {
		a.Crossover = &n
	}
	if q.deadline > 0 {
		a.Deadline = q.peersFor()
	}
	if q.schedule {
		a.Schedule = q.fluid()
	}
	return a
}

func (q *planQuestion) row(n int) planRow {
	peers := q.classes(n)
	cs, p2p := theory.ClientServer(q.size, q.server, peers...), theory.P2P(q.size, q.server, peers...)
	row := planRow{Peers: n, ClientServer: cs.Seconds, P2P: p2p.Seconds}
	if n > 0 {
		ratio := cs.Seconds / p2p.Seconds
		row.ClientServerLimit, row.P2PLimit, row.Ratio = &cs.Limit, &p2p.Limit, &ratio
	}
	if q.piece > 0 {
		row.Pieces = &q.pieces(n).Seconds
	}
	if q.deadline > 0 {
		row.Deadline = q.ratesFor(n)
	}
	return row
}

func (q *planQuestion) pieces(n int) *theory.Bound {
	alike, _ := equalUp(q.classes(n))
	b := theory.Pieces(q.size, q.piece, q.server, alike)
	return &b
}

// ratesFor answers which rates meet the deadline.
func (q *planQuestion) ratesFor(n int) *planRowDeadline {
	peers := q.classes(n)
	alone, shared := theory.ServerFor(q.size, q.deadline, peers...)
	d := &planRowDeadline{ServerBlocked: known(shared.Blocked)}
	if alone.Blocked == "" {
		d.ClientServerBPS, d.ServerBPS = &alone.Value, &shared.Value
	}
	if q.equal == nil {
		unlike := limitUnlike
		d.UpBlocked = &unlike
		return d
	}
	c := *q.equal
	c.Peers = n
	up := theory.UploadFor(q.size, q.deadline, q.server, c)
	d.UpBlocked = known(up.Blocked)
	if up.Blocked == "" {
		d.UpBPS = &up.Value
	}
	return d
}

// peersFor answers how many peers meet the deadline: how many equal ones, or how many of a file, in its order.
func (q *planQuestion) peersFor() *planDeadline {
	d := &planDeadline{Seconds: q.deadline}
	if q.equal == nil {
		alone, shared := theory.FirstWithin(q.size, q.deadline, q.server, q.listed...)
		d.ClientServer, d.P2P = &alone, &shared
		return d
	}
	alone, shared := theory.PeersFor(q.size, q.deadline, q.server, *q.equal)
	d.Blocked = known(shared.Blocked)
	for _, a := range []struct {
		from theory.Answer
		to   **int
	}{{alone, &d.ClientServer}, {shared, &d.P2P}} {
		if !math.IsInf(a.from.Value, 1) {
			n := int(min(a.from.Value, 1<<53)) // more is no number of peers, and JSON's readers keep no more digits
			*a.to = &n
		}
	}
	d.AnyNumber = math.IsInf(shared.Value, 1)
	return d
}

func (q *planQuestion) fluid() *planSchedule {
	n := q.total()
	s := theory.Fluid(q.size, q.server, q.classes(n)...)
	out := &planSchedule{Peers: n, Seconds: s.Bound.Seconds, RateBPS: s.Rate, CommonBPS: s.Common, ServerBPS: s.ServerRate(),
		Streams: []planStream{}}
	for _, st := range s.Streams {
		out.Streams = append(out.Streams, planStream{Peers: st.Peers, UpBPS: st.Up, DownBPS: st.Down, OwnBPS: st.Own,
			SentBPS: st.Own * float64(n-1)})
	}
	return out
}

// maxCurve is how many points a curve has at most.
const maxCurve = 400

// chart draws the times over the number of peers: of those asked about, or of 0 to N where it was one number or a file.
func (q *planQuestion) chart() plot.Chart {
	counts := q.counts
	if len(counts) < 2 {
		counts = peerRange{0, q.total(), max(1, q.total()/maxCurve)}.counts()
	}
	for len(counts) > 2*maxCurve { // every other, and the last
		var fewer []int
		for i := 0; i < len(counts)-1; i += 2 {
			fewer = append(fewer, counts[i])
		}
		counts = append(fewer, counts[len(counts)-1])
	}
	var x, cs, p2p, pieces, deadline []float64
	for _, n := range counts {
		peers := q.classes(n)
		x = append(x, float64(n))
		cs = append(cs, theory.ClientServer(q.size, q.server, peers...).Seconds)
		p2p = append(p2p, theory.P2P(q.size, q.server, peers...).Seconds)
		if q.piece > 0 {
			pieces = append(pieces, q.pieces(n).Seconds)
		}
		deadline = append(deadline, q.deadline)
	}
	c := plot.Chart{
		Title:  "Least time to bring " + units.FormatSize(int64(q.size)) + " to N peers",
		XLabel: "peers", YMin0: true,
		Series: []plot.Series{{Name: "client-server", X: x, Y: cs, Color: 1}, {Name: "P2P", X: x, Y: p2p, Color: 2}},
	}
	if q.piece > 0 {
		c.Series = append(c.Series, plot.Series{Name: "P2P in whole pieces of " + exactSize(int64(q.piece)), X: x, Y: pieces, Color: 3, Style: plot.Dashed})
	}
	if q.deadline > 0 {
		c.Series = append(c.Series, plot.Series{Name: "deadline", X: x, Y: deadline, Color: 7, Style: plot.Dashed})
	}
	c.YLabel = inTimeUnit(c.Series)
	return c
}

// exactSize prints the size of a piece, which is mostly a power of two.
func exactSize(bytes int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if bytes >= u.size && bytes%u.size == 0 {
			return strconv.FormatInt(bytes/u.size, 10) + u.name
		}
	}
	return units.FormatSize(bytes)
}

// inTimeUnit turns seconds into the unit that fits the longest, and returns its name.
func inTimeUnit(series []plot.Series) string {
	longest := 0.0
	for _, s := range series {
		for _, y := range s.Y {
			longest = max(longest, y)
		}
	}
	unit, name := 1.0, "seconds"
	for _, u := range []struct {
		seconds float64
		name    string
	}{{60, "minutes"}, {3600, "hours"}, {86400, "days"}, {365.25 * 86400, "years"}} {
		if longest > 2*u.seconds {
			unit, name = u.seconds, u.name
		}
	}
	for _, s := range series {
		for i := range s.Y {
			s.Y[i] /= unit
		}
	}
	return name
}
