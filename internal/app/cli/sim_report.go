package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/sim"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// listPeers is up to how many peers the JSON lists each one's time.
const listPeers = 1000

// simDoc is the JSON document of `eddy sim run`. Times are virtual but wall_s. nil = unknown.
type simDoc struct {
	Scenario string   `json:"scenario"`
	Title    string   `json:"title"`
	Seed     uint64   `json:"seed"`
	Digest   string   `json:"digest"`
	Fidelity string   `json:"fidelity"`
	Model    string   `json:"model"`   // of bandwidth
	Shaping  string   `json:"shaping"` // limit or link
	Policy   string   `json:"policy"`
	Size     int64    `json:"size"`
	Piece    int64    `json:"piece_length"`
	Peers    int      `json:"peers"` // that came
	Complete int      `json:"complete"`
	Failed   int      `json:"failed"`
	LastDone *float64 `json:"last_done_s"`   // from the first arrival; of those who are complete
	Median   *float64 `json:"median_done_s"` // of the times from a peer's arrival on
	Bound    *float64 `json:"bound_s"`
	Limit    *string  `json:"bound_limit"`
	Ratio    *float64 `json:"ratio"` // null as well while somebody who did not fail is not complete
	End      float64  `json:"end_s"`

	Own         simTimes    `json:"own_s"`
	Done        []float64   `json:"done_s,omitempty"` // each one's own time, ascending; of small swarms
	Classes     []simClass  `json:"classes"`
	ServerBytes int64       `json:"server_bytes"`
	Copies      float64     `json:"server_copies"`
	SentBytes   int64       `json:"sent_bytes"`
	WastedBytes int64       `json:"wasted_bytes"`
	UploadUse   *float64    `json:"upload_use"`
	Fairness    simFairness `json:"fairness"`
	Flow        simFlow     `json:"flow"`
	Timeline    []simSample `json:"timeline"`
	Story       *simStory   `json:"story,omitempty"`
	Wall        float64     `json:"wall_s"`
	Memory      *int64      `json:"peak_rss_bytes"`

	result  *record.Result
	latency time.Duration
}

type simTimes struct {
	Min    *float64 `json:"min"`
	P10    *float64 `json:"p10"`
	P25    *float64 `json:"p25"`
	Median *float64 `json:"p50"`
	P75    *float64 `json:"p75"`
	P90    *float64 `json:"p90"`
	P99    *float64 `json:"p99"`
	Max    *float64 `json:"max"`
	Mean   *float64 `json:"mean"`
}

type simClass struct {
	Name        string   `json:"name"`
	Peers       int      `json:"peers"`
	Complete    int      `json:"complete"`
	Failed      int      `json:"failed"`
	Own         simTimes `json:"own_s"`
	UpBytes     int64    `json:"up_bytes"`
	DownBytes   int64    `json:"down_bytes"`
	ServerBytes int64    `json:"server_bytes"`
	Share       float64  `json:"share_ratio"`      // up over down at the end
	Lent        float64  `json:"share_ratio_done"` // the same until each was complete
}

type simFairness struct {
	Jain        *float64 `json:"jain"`
	Correlation *float64 `json:"correlation"`
}

// simFlow has a row for each that serves and a column for each that is served.
type simFlow struct {
	Names    []string    `json:"names"`
	Bytes    [][]int64   `json:"bytes"`
	Unchoked [][]float64 `json:"unchoked_s"`
}

type simSample struct {
	At        float64  `json:"t_s"`
	Leechers  int      `json:"leechers"`
	Seeds     int      `json:"seeds"`
	Done      int      `json:"done"`
	Rarest    int      `json:"rarest_copies"`
	RarestSet int      `json:"rarest_pieces"`
	Mean      float64  `json:"mean_copies"`
	Most      int      `json:"most_copies"`
	Evenness  float64  `json:"evenness"`
	UploadUse *float64 `json:"upload_use"`
}

type simStory struct {
	Told     bool         `json:"told"`
	Passages []simPassage `json:"passages"`
	Moral    string       `json:"moral"`
}

type simPassage struct {
	At   float64 `json:"t_s"`
	Step *int    `json:"step"` // of the three; null = between them
	Text string  `json:"text"`
}

func newSimDoc(sc *scenario.Scenario, res *record.Result, story *sim.Story, wall time.Duration) *simDoc {
	d := &simDoc{
		Scenario: sc.Name, Title: sc.Title, Seed: sc.Seed, Digest: res.Digest, Fidelity: res.Fidelity, Model: res.Model, Shaping: shapingOf(sc),
		Policy: sc.PolicyOf(-1).Name, Size: sc.Size, Piece: sc.PieceLength, Peers: res.Peers, Complete: res.Complete, Failed: res.Failed,
		LastDone: known(res.LastDone.Seconds()), Median: known(res.Own.Median.Seconds()), Bound: known(res.Bound.Seconds),
		Limit: known(res.Bound.Limit), Ratio: known(tellingRatio(res.Ratio, res.Bound.Seconds, sc.Latency)), End: res.End.Seconds(), Own: timesOf(res.Own),
		ServerBytes: res.FromServer, Copies: float64(res.FromServer) / float64(sc.Size), SentBytes: res.Sent, WastedBytes: res.Wasted,
		UploadUse: notNegative(res.UploadUse), Fairness: simFairness{Jain: notNegative(res.Fairness.Jain)},
		Flow: simFlow(res.Flow), Wall: wall.Seconds(), Memory: known(peakMemory()), result: res, latency: sc.Latency,
	}
	if res.Fairness.Known {
		d.Fairness.Correlation = &res.Fairness.Correlation
	}
	if len(res.All) <= listPeers {
		for _, t := range res.All {
			d.Done = append(d.Done, t.Seconds())
		}
	}
	for _, c := range res.Classes {
		d.Classes = append(d.Classes, simClass{c.Name, c.Peers, c.Complete, c.Failed, timesOf(c.Own), c.Up, c.Down, c.FromServer, c.Share, c.Lent})
	}
	for _, s := range res.Line {
		d.Timeline = append(d.Timeline, simSample{s.At.Seconds(), s.Leechers, s.Seeds, s.Done, s.Rarest, s.RarestSet, s.Mean, s.Most, s.Evenness,
			notNegative(s.UploadUse)})
	}
	if story != nil {
		d.Story = &simStory{Told: story.Told(), Moral: story.Moral()}
		for _, p := range story.Passages() {
			d.Story.Passages = append(d.Story.Passages, simPassage{p.At.Seconds(), known(p.Step), p.Text})
		}
	}
	return d
}

func timesOf(t record.Times) simTimes {
	s := func(d time.Duration) *float64 { return known(d.Seconds()) }
	return simTimes{s(t.Min), s(t.P10), s(t.P25), s(t.Median), s(t.P75), s(t.P90), s(t.P99), s(t.Max), s(t.Mean)}
}

// notNegative returns nil for the negative value that stands for "unknown".
func notNegative(v float64) *float64 {
	if v < 0 {
		return nil
	}
	return &v
}

// leastBound is below what no bound says anything: all that it leaves out, as messages and turns, takes longer.
const leastBound = 10 * time.Millisecond

// tellingRatio returns the ratio to a bound, and 0 where that is so short that the ratio would be about something else: the bound counts
// bytes and rates alone, and not how long a message is under way.
func tellingRatio(ratio, bound float64, latency time.Duration) float64 {
	if bound < max(latency, leastBound).Seconds() {
		return 0
	}
	return ratio
}

// text is the summary for a terminal.
func (d *simDoc) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s%s\n", name, fmt.Sprintf(format, args...))
	}
	res := d.result
	if d.Story != nil {
		d.Story.write(&b)
	}
	title := d.Scenario
	if d.Title != "" {
		title += ": " + d.Title
	}
	row("scenario", "%s", title)
	row("content", "%s in pieces of %s, policy %s, seed %d", units.FormatSize(d.Size), formatPieceLength(d.Piece), d.Policy, d.Seed)
	row("fidelity", "%s", d.Fidelity)
	for i, line := range wrapped(d.Model, summaryWidth) {
		row([]string{"bandwidth", ""}[min(i, 1)], "%s", line)
	}
	row("shaping", "%s", d.shaping())
	row("peers", "%s", d.census())
	if res.Complete > 0 {
		d.times(row)
	}
	d.traffic(row)
	d.classTable(&b)
	d.flowTable(&b)
	memory := ""
	if d.Memory != nil {
		memory = ", peak memory " + units.FormatSize(*d.Memory)
	}
	row("digest", "%s (equal for equal runs)", d.Digest)
	row("took", "%.2f s of real time for %s of virtual time%s", d.Wall, units.FormatDuration(res.End), memory)
	return b.String()
}

// summaryWidth is how much of the bandwidth model goes in one line of the summary.
const summaryWidth = 108

// wrapped breaks a text between words into lines of at most width characters, where its words allow.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// shaping says who keeps to the rates, and what that means for a policy that it matters to.
func (d *simDoc) shaping() string {
	if d.Shaping == string(scenario.ByLink) {
		return "link: the links keep to the rates, and tell nobody how fast they are"
	}
	text := "limit: peers keep to the rates themselves"
	if d.Policy == cooperative {
		text += "; cooperative ones then serve a few at a time, and everybody only with --shaping link"
	}
	return text
}

func (s *simStory) write(b *strings.Builder) {
	for _, p := range s.Passages {
		step := ""
		if p.Step != nil {
			step = fmt.Sprintf("(%d) ", *p.Step)
		}
		fmt.Fprintf(b, "%9.2f s  %s%s\n", p.At, step, p.Text)
	}
	fmt.Fprintf(b, "\n%s\n\n", s.Moral)
}

// census says how many came and what became of them.
func (d *simDoc) census() string {
	text := fmt.Sprintf("%d, %d complete", d.Peers, d.Complete)
	if d.Failed > 0 {
		text += fmt.Sprintf(", %d failed before", d.Failed)
	}
	if left := d.Peers - d.Complete - d.Failed; left > 0 {
		text += fmt.Sprintf(", %d not when the time limit cut it off at %s", left, units.FormatDuration(d.result.End))
	}
	return text
}

func (d *simDoc) times(row func(name, format string, args ...any)) {
	res := d.result
	f := units.FormatDuration
	if res.Bound.Seconds > 0 {
		row("bound", "%s: no swarm can be faster (%s)%s", formatLong(res.Bound.Seconds), limitWords[res.Bound.Limit], burstWords(res))
	}
	last := f(res.LastDone)
	switch {
	case res.Ratio > 0 && d.Ratio == nil:
		last += fmt.Sprintf(" after the first came; no ratio, for the bound is of rates alone, and here the latency of %s and the turns of the peers take longer", d.latency)
	case res.Ratio > 0:
		last += fmt.Sprintf(" = %.3f of the bound after the first came", res.Ratio)
	default:
		last += " after the first came"
	}
	row("last done", "%s", last)
	row("own time", "median %s, 10 %% %s, 90 %% %s, 99 %% %s, last %s", f(res.Own.Median), f(res.Own.P10), f(res.Own.P90), f(res.Own.P99), f(res.Own.Max))
}

// burstWords says how a run of a few seconds can take less than the bound, which knows rates and no buckets.
func burstWords(res *record.Result) string {
	if res.Ratio <= 0 || res.Ratio >= 1 {
		return ""
	}
	return ", but for what limited peers saved while they were idle, 64 KiB or 50 ms of the rate"
}

// limitWords says what sets a bound.
var limitWords = map[string]string{
	"server":    "the server has to send one copy",
	"download":  "the slowest download",
	"aggregate": "all uploads together",
}

func (d *simDoc) traffic(row func(name, format string, args ...any)) {
	res := d.result
	use := ""
	if res.UploadUse >= 0 {
		use = fmt.Sprintf("%.1f %% of all honest uplinks used; ", 100*res.UploadUse)
	}
	row("uploads", "%s%s sent, %s of it by the server (%.2f copies), waste %.2f %%", use, units.FormatSize(res.Sent),
		units.FormatSize(res.FromServer), d.Copies, percentOf(res.Wasted, res.Sent))
	row("pieces", "%s", d.diversity())
	switch fair := res.Fairness; {
	case fair.Known && fair.Jain >= 0:
		row("fairness", "Jain's index of given over taken %.3f; correlation of upload rate and speed %+.2f", fair.Jain, fair.Correlation)
	case fair.Jain >= 0:
		row("fairness", "Jain's index of given over taken %.3f", fair.Jain)
	}
}

// percentOf returns 100*part/all, and 0 of nothing.
func percentOf(part, all int64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

// diversity follows the copies of the rarest piece over the run, in quarters.
func (d *simDoc) diversity() string {
	line := d.result.Line
	if len(line) == 0 {
		return "no samples"
	}
	var parts []string
	for q := 1; q <= 3; q++ {
		s := line[(len(line)-1)*q/4]
		parts = append(parts, fmt.Sprintf("%d and %.1f at %d %%", s.Rarest, s.Mean, 25*q))
	}
	return "copies of the rarest piece, and of a piece on average: " + strings.Join(parts, ", ") + " of the time"
}

func (d *simDoc) classTable(b *strings.Builder) {
	width := 5
	for _, c := range d.result.Classes {
		width = max(width, len([]rune(c.Name)))
	}
	fmt.Fprintf(b, "\n%-*s  %8s %8s %10s %10s %8s %11s %11s\n", width, "class", "peers", "complete", "median", "last", "up/down", "until done", "from server")
	for _, c := range d.result.Classes {
		median, last := "-", "-"
		if c.Complete > 0 {
			median, last = units.FormatDuration(c.Own.Median), units.FormatDuration(c.Own.Max)
		}
		fmt.Fprintf(b, "%-*s  %8d %8d %10s %10s %8.2f %11.2f %11s\n", width, c.Name, c.Peers, c.Complete, median, last, c.Share, c.Lent,
			units.FormatSize(c.FromServer))
	}
	b.WriteString("\n")
}

// flowTable shows who unchokes whom, where there is a choice: as shares of the time that the row's class unchokes anybody.
func (d *simDoc) flowTable(b *strings.Builder) {
	m := d.result.Flow
	if len(m.Names) < 3 || len(m.Names) > 8 {
		return
	}
	width := 13
	for _, name := range m.Names {
		width = max(width, len([]rune(name)))
	}
	fmt.Fprintf(b, "%-*s", width, "unchoke time")
	for _, name := range m.Names[1:] {
		fmt.Fprintf(b, "  %11s", shorten(name, 11))
	}
	b.WriteString("\n")
	for i, name := range m.Names {
		sum := 0.0
		for _, v := range m.Unchoked[i][1:] {
			sum += v
		}
		fmt.Fprintf(b, "%-*s", width, name)
		for _, v := range m.Unchoked[i][1:] {
			cell := "-"
			if sum > 0 {
				cell = fmt.Sprintf("%.1f %%", 100*v/sum)
			}
			fmt.Fprintf(b, "  %11s", cell)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}
