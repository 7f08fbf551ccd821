package cli

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// table is the answer for people.
func (a *planAnswer) table() string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"peers", "client-server", "limit", "P2P", "limit", "times faster"}
	if a.q.piece > 0 {
		head = append(head, "in pieces")
	}
	if a.Deadline != nil {
		by := " for " + formatLong(a.Deadline.Seconds)
		head = append(head, "server alone"+by, "server"+by, "each peer"+by)
	}
	fmt.Fprintln(w, strings.Join(head, "\t")+"\t")
	for _, r := range a.Rows {
		cells := []string{strconv.Itoa(r.Peers), formatLong(r.ClientServer), limitText(r.ClientServerLimit), formatLong(r.P2P), limitText(r.P2PLimit),
			ratioText(r.Ratio)}
		if r.Pieces != nil {
			cells = append(cells, formatLong(*r.Pieces))
		}
		if d := r.Deadline; d != nil {
			cells = append(cells, rateText(d.ClientServerBPS), rateText(d.ServerBPS), rateText(d.UpBPS))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
	}
	_ = w.Flush() // into memory
	for _, line := range a.notes() {
		b.WriteString("\n" + line + "\n")
	}
	if a.Schedule != nil {
		b.WriteString("\n" + a.Schedule.table())
	}
	return b.String()
}

// notes are the answers that are not one a row.
func (a *planAnswer) notes() []string {
	var out []string
	switch {
	case a.Crossover != nil && a.q.listed != nil:
		out = append(out, fmt.Sprintf("In the order of the file, P2P first takes less time with %s.", units.Plural(*a.Crossover, "peer")))
	case a.Crossover != nil:
		out = append(out, fmt.Sprintf("P2P takes less time from %s on.", units.Plural(*a.Crossover, "peer")))
	case a.q.equal != nil && a.q.equal.Up == 0:
		out = append(out, "P2P takes as long as client-server: no peer uploads.")
	default:
		out = append(out, "P2P takes as long as client-server with all of these peers.")
	}
	if d := a.Deadline; d != nil {
		out = append(out, a.deadlineNote(d))
	}
	if d := a.Rows[len(a.Rows)-1].Deadline; d != nil {
		out = append(out, blockedNotes(d)...)
	}
	return out
}

func (a *planAnswer) deadlineNote(d *planDeadline) string {
	when := "Within " + formatLong(d.Seconds) + ": "
	switch {
	case a.q.equal == nil:
		return when + fmt.Sprintf("of the peers in their order, the first %d from the server alone, the first %d by P2P.", *d.ClientServer, *d.P2P)
	case d.Blocked != nil && *d.Blocked == theory.LimitDownload:
		return when + "not even one peer, its download is too slow."
	case d.Blocked != nil:
		return when + "not even one peer, the server's upload is too slow."
	case d.AnyNumber:
		return when + fmt.Sprintf("%s from the server alone, any number by P2P.", units.Plural(*d.ClientServer, "peer"))
	}
	return when + fmt.Sprintf("%s from the server alone, %d by P2P.", units.Plural(*d.ClientServer, "peer"), *d.P2P)
}

// blockedNotes explains the dashes in the columns of a deadline.
func blockedNotes(d *planRowDeadline) []string {
	var out []string
	if d.ServerBlocked != nil {
		return []string{"No server meets the deadline: the slowest peer's download is too slow."}
	}
	switch {
	case d.UpBlocked != nil && *d.UpBlocked == limitUnlike:
		out = append(out, "What each peer must upload is not told: these peers upload differently, and there is no one answer for all.")
	case d.UpBlocked != nil:
		out = append(out, "No upload of the peers meets the deadline: the server's upload is too slow to send one copy.")
	}
	return out
}

// maxScheduleLines is how many kinds of peers a schedule for people lists.
const maxScheduleLines = 20

// table is the schedule for people: a line a stream.
func (s *planSchedule) table() string {
	if s.Peers == 0 {
		return "Nobody to send to.\n"
	}
	var b bytes.Buffer
	have, each := "have", ", each"
	if s.Peers == 1 {
		have, each = "has", ","
	}
	fmt.Fprintf(&b, "So that %s %s it in %s%s receiving at %s (the server sends %s in all):\n",
		units.Plural(s.Peers, "peer"), have, formatLong(s.Seconds), each, formatRate(s.RateBPS), formatRate(s.ServerBPS))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "from\tto\twhat\teach at")
	if s.CommonBPS > s.RateBPS*1e-9 {
		fmt.Fprintf(w, "server\tevery peer\tthe common stream\t%s\n", formatRate(s.CommonBPS))
	}
	first := 1
	for i, st := range s.Streams {
		if i == maxScheduleLines {
			break
		}
		who := peerNames(first, st.Peers, s.Peers)
		first += st.Peers
		if st.OwnBPS <= s.RateBPS*1e-9 { // what is left of a difference of floats
			continue
		}
		fmt.Fprintf(w, "server\t%s\tits own stream\t%s\n", who, formatRate(st.OwnBPS))
		fmt.Fprintf(w, "%s\teach of the other %d\ta copy of its own stream\t%s\n", who, s.Peers-1, formatRate(st.OwnBPS))
	}
	_ = w.Flush() // into memory
	if more := len(s.Streams) - maxScheduleLines; more > 0 {
		fmt.Fprintf(&b, "... and %d more lines of the file: --json lists all\n", more)
	}
	return b.String()
}

// peerNames names count peers from the number first on, of total.
func peerNames(first, count, total int) string {
	switch {
	case count == 1:
		return fmt.Sprintf("peer %d", first)
	case count == total:
		return fmt.Sprintf("each of the %d peers", total)
	}
	return fmt.Sprintf("each of the peers %d-%d", first, first+count-1)
}

// csv is the table for spreadsheets: numbers without units, nothing where there is no answer.
func (a *planAnswer) csv() string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"peers", "client_server_s", "client_server_limit", "p2p_s", "p2p_limit", "ratio"}
	if a.q.piece > 0 {
		head = append(head, "pieces_s")
	}
	if a.Deadline != nil {
		head = append(head, "deadline_client_server_server_bps", "deadline_p2p_server_bps", "deadline_p2p_up_bps")
	}
	_ = w.Write(head) // into memory, as all below
	for _, r := range a.Rows {
		cells := []string{strconv.Itoa(r.Peers), plainNumber(&r.ClientServer), string(deref(r.ClientServerLimit)), plainNumber(&r.P2P),
			string(deref(r.P2PLimit)), plainNumber(r.Ratio)}
		if a.q.piece > 0 {
			cells = append(cells, plainNumber(r.Pieces))
		}
		if d := r.Deadline; d != nil {
			cells = append(cells, plainNumber(d.ClientServerBPS), plainNumber(d.ServerBPS), plainNumber(d.UpBPS))
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return b.String()
}

// plainNumber prints a number with all its digits, nil as nothing.
func plainNumber(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// deref returns what v points to, or the zero value.
func deref[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

func limitText(l *theory.Limit) string {
	if l == nil {
		return "-"
	}
	return string(*l)
}

func ratioText(r *float64) string {
	if r == nil {
		return "-"
	}
	return strconv.FormatFloat(*r, 'f', 2, 64)
}

func rateText(bps *float64) string {
	if bps == nil {
		return "-"
	}
	return formatRate(*bps)
}

// formatRate prints bytes/s that need not be whole.
func formatRate(bps float64) string {
	if bps >= math.MaxInt64 || bps > 0 && bps < 1 {
		return strconv.FormatFloat(bps, 'g', 3, 64) + " B/s"
	}
	return units.FormatRate(int64(math.Round(bps)))
}

// formatLong prints a time for people that may be longer than a Duration can be.
func formatLong(s float64) string {
	const day, year = 86400, 365.25 * 86400
	switch {
	case s > 0 && s < 0.005: // would be 0.00 s
		return strconv.FormatFloat(s, 'g', 2, 64) + " s"
	case s < 100*3600:
		return units.FormatDuration(time.Duration(s * float64(time.Second)))
	case s < 1000*day:
		return strconv.FormatFloat(s/day, 'f', 1, 64) + " days"
	case s < 1e6*year:
		return strconv.FormatFloat(s/year, 'f', 1, 64) + " years"
	}
	return strconv.FormatFloat(s/year, 'g', 2, 64) + " years"
}
