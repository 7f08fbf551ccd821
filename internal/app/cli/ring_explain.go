package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	simring "github.com/eddy-p2p/eddy/internal/sim/ring"
)

// ringExplain is the state of `eddy ring explain`.
type ringExplain struct {
	inv        *invocation
	bits       int
	nodes      string
	from       string
	key        string
	name       string
	shortcuts  bool
	links      string
	join       string
	kill       string
	successors int
	plot       string
	html       string

	given  func(flag string) bool
	lesson simring.Lesson
}

// The course's ring, for those who give no other.
const (
	courseBits  = 6
	courseNodes = "1,12,13,25,32,40,48,60"
)

func newRingExplain(inv *invocation) *cobra.Command {
	x := &ringExplain{inv: inv}
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "show how a small ring finds keys and repairs itself",
		Example: `  eddy ring explain --bits 6 --nodes 1,12,13,25,32,40,48,60 --key 51
  eddy ring explain --bits 6 --nodes 1,12,13,25,32,40,48,60 --from 12 --key 53 --shortcuts
  eddy ring explain --bits 6 --nodes 1,12,13,25,32,40,48,60 --from 12 --key 53 --links 12:32,32:48 --plot lecture.svg
  eddy ring explain --bits 4 --nodes 1,3,4,5,8,10,12,15 --kill 5 --html churn.html
  eddy ring explain --name "Led Zeppelin IV"`,
		Args: wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			x.given = func(flag string) bool { return cmd.Flags().Changed(flag) }
			return x.run()
		},
	}
	x.define(cmd)
	setHelp(cmd, `
Run the code of live nodes in memory, on a small ring that has long been quiet, and show what it does: who owns a key (its immediate
successor), which way a query takes and in how many messages, whom each node knows, and how the ring repairs itself.

Without --shortcuts and --links a query goes from successor to successor. First --join comes, one after the other; then all of --kill fail at one
moment; when the ring is in order again, --from asks for --key. Messages take 10 ms. The membership cache and the mesh of small rings
are off. Without --bits and --nodes the ring is the course's: --bits 6 --nodes 1,12,13,25,32,40,48,60.

A node is POSITION, or NAME=POSITION. --name shows key = hash(S), as live rings take it. With more than 64 bits positions are written in
hexadecimal digits. --html makes one page that plays the steps, for a browser without network.`, exitOK, exitFailed, exitUsage, exitNotFound, exitDisk)
	return cmd
}

func (x *ringExplain) define(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&x.bits, "bits", courseBits, "positions are `M` bits wide: 0 to 2^M-1")
	f.StringVar(&x.nodes, "nodes", courseNodes, "`A,B,...`: where nodes stand")
	f.StringVar(&x.from, "from", "", "node `A` asks (default: the first)")
	f.StringVar(&x.key, "key", "", "key `K` is asked for")
	f.StringVar(&x.name, "name", "", "as --key, with the hash of `S`")
	f.BoolVar(&x.shortcuts, "shortcuts", false, "nodes have fingers: node n one to the successor of n + 2^i, for each i")
	f.StringVar(&x.links, "links", "", "`A:B,...`: shortcuts of your own, from A to B")
	f.StringVar(&x.join, "join", "", "`N,...` join")
	f.StringVar(&x.kill, "kill", "", "`N,...` fail without a word")
	f.IntVar(&x.successors, "successors", 2, "each node knows its next `R` successors")
	f.StringVar(&x.plot, "plot", "", "draw the ring into `FILE.svg|png`")
	f.StringVar(&x.html, "html", "", "write a page that plays the steps into `FILE`")
	cmd.MarkFlagsMutuallyExclusive("key", "name")
	cmd.MarkFlagsMutuallyExclusive("shortcuts", "links")
}

func (x *ringExplain) run() error {
	if err := x.read(); err != nil {
		return err
	}
	if err := x.lesson.Validate(); err != nil {
		return &Failure{What: "reading the ring", Cause: err, Code: exitUsage}
	}
	account, err := simring.Explain(x.lesson)
	if err != nil {
		return fail("explaining the ring", "", err)
	}
	var panels []plot.Panel
	if x.plot != "" {
		panels = append(panels, x.panel(account))
	}
	shown := x.inv.show(x.plot, panels, x.document(account), func() string { return x.text(account) })
	if shown == nil && x.plot != "" {
		x.inv.say("drew " + x.plot)
	}
	if x.html == "" {
		return shown
	}
	if err := x.writePage(account); err != nil { // neither failure hides the other
		var first *Failure
		if errors.As(shown, &first) && !quietly(first) {
			x.inv.complain(first)
		}
		return failWrite("writing the page", x.html, err)
	}
	x.inv.say("wrote " + x.html)
	return shown
}

// read makes the lesson of the flags.
func (x *ringExplain) read() error {
	l := &x.lesson
	switch {
	case x.bits < 1 || x.bits > 160:
		return usageError("--bits %d: want 1 to 160", x.bits)
	case x.successors < 1 || x.successors > simring.MaxLesson:
		return usageError("--successors %d: want 1 to %d", x.successors, simring.MaxLesson)
	case x.given("bits") && !x.given("nodes"):
		return usageError("--bits needs --nodes too, like --bits 4 --nodes 1,3,4,5,8,10,12,15")
	case x.given("nodes") && !x.given("bits"):
		return usageError("--nodes needs --bits too, like --bits 6 --nodes 1,12,13,25,32,40,48,60")
	case x.given("from") && !x.given("key") && !x.given("name"):
		return usageError("--from asks for something: give --key or --name too")
	}
	if err := checkPlot(x.given("plot"), x.plot); err != nil {
		return err
	}
	if err := x.checkPage(); err != nil {
		return err
	}
	l.Space, l.Successors, l.Shortcuts = simring.Space{Bits: x.bits}, x.successors, x.shortcuts
	for _, step := range []func() error{x.readNodes, x.readLinks, x.readChanges} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkPage refuses an --html that cannot be written, as checkPlot does.
func (x *ringExplain) checkPage() error {
	if !x.given("html") {
		return nil
	}
	if x.html == "" {
		return usageError("--html writes a page: want the name of a file that ends in .html")
	}
	if ext := strings.ToLower(filepath.Ext(x.html)); ext != ".html" && ext != ".htm" {
		return usageError("--html writes a page: want a name that ends in .html, not %s", x.html)
	}
	if info, err := os.Stat(x.html); err == nil && info.IsDir() {
		return failWrite("writing the page", x.html, syscall.EISDIR)
	}
	trial, err := os.CreateTemp(filepath.Dir(x.html), ".page-*")
	if err == nil {
		err = errors.Join(trial.Close(), os.Remove(trial.Name()))
	}
	if err != nil {
		return failWrite("writing the page", x.html, causeOf(err))
	}
	return nil
}

// causeOf takes the name of the trial file out of an error: it says nothing to people.
func causeOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// parts splits a list at its commas.
func parts(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func (x *ringExplain) readNodes() error {
	for _, part := range parts(x.nodes) {
		name, at, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			name, at = "", name
		}
		id, err := simring.ParsePosition(x.lesson.Space, strings.TrimSpace(at)) // never a name, which may look like one
		if err != nil {
			return usageError("--nodes: %v", err)
		}
		x.lesson.Nodes = append(x.lesson.Nodes, simring.LessonNode{At: id, Name: name})
	}
	if len(x.lesson.Nodes) == 0 {
		return usageError("--nodes: a ring has one node at least, like --nodes 1,12,13")
	}
	return nil
}

// parse reads a position that a flag holds: a number, or the name of a node.
func (x *ringExplain) parse(flag, text string) (simring.Position, error) {
	text = strings.TrimSpace(text)
	for _, n := range x.lesson.Nodes {
		if n.Name != "" && n.Name == text {
			return n.At, nil
		}
	}
	id, err := simring.ParsePosition(x.lesson.Space, text)
	if err != nil {
		return id, usageError("--%s: %v", flag, err)
	}
	return id, nil
}

func (x *ringExplain) readLinks() error {
	for _, part := range parts(x.links) {
		a, b, ok := strings.Cut(part, ":")
		if !ok {
			return usageError("--links: %q is no link: want FROM:TO, like 12:32", part)
		}
		from, err := x.parse("links", a)
		if err != nil {
			return err
		}
		to, err := x.parse("links", b)
		if err != nil {
			return err
		}
		x.lesson.Links = append(x.lesson.Links, simring.Link{From: from, To: to})
	}
	if x.given("links") && len(x.lesson.Links) == 0 {
		return usageError("--links is empty: want FROM:TO, like 12:32")
	}
	return nil
}

// readChanges reads who joins, who fails, and what is asked.
func (x *ringExplain) readChanges() error {
	for _, list := range []struct {
		flag, text string
		into       *[]simring.Position
	}{{"join", x.join, &x.lesson.Join}, {"kill", x.kill, &x.lesson.Kill}} {
		for _, part := range parts(list.text) {
			id, err := x.parse(list.flag, part)
			if err != nil {
				return err
			}
			*list.into = append(*list.into, id)
		}
	}
	if x.given("from") {
		id, err := x.parse("from", x.from)
		if err != nil {
			return err
		}
		x.lesson.From = &id
	}
	switch {
	case x.given("key"):
		id, err := simring.ParsePosition(x.lesson.Space, strings.TrimSpace(x.key))
		if err != nil {
			return usageError("--key: %v", err)
		}
		x.lesson.Key = &id
	case x.given("name"):
		id := simring.KeyOf(x.lesson.Space, x.name)
		x.lesson.Key = &id
	}
	return nil
}

// writePage writes the page in one step: a lecture must not find half of one.
func (x *ringExplain) writePage(account *simring.Account) error {
	page, err := x.page(account)
	if err != nil {
		return err
	}
	return writeFile(x.html, page, 0o644)
}
