package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

// ringGet is the state of `eddy ring get`.
type ringGet struct {
	inv *invocation
	ringFlags
	trace    bool
	siblings bool
	sample   int
	all      bool
	atLeast  string
	output   string
}

func newRingGet(inv *invocation) *cobra.Command {
	g := &ringGet{inv: inv}
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "print the value of a key, or the members of a set",
		Example: `  eddy ring get 'Led Zeppelin IV'
  eddy ring get logo -o logo.png
  eddy ring get alice --trace
  eddy ring get cart --siblings --json
  eddy ring get alice --at-least "$(eddy ring put alice 192.0.2.7:5060)"`,
		Args: wantArgs("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuseEmpty(cmd, "at-least"); err != nil {
				return err
			}
			return g.run(cmd.Context(), args[0])
		},
	}
	g.define(cmd)
	f := cmd.Flags()
	f.BoolVar(&g.trace, "trace", false, "ask hop by hop, and list on stderr each hop with its round-trip time")
	f.BoolVar(&g.siblings, "siblings", false, "several concurrent values are a result, one a line, and not a conflict")
	f.IntVar(&g.sample, "sample", 0, "of a set, print `N` members chosen at random (default 50)")
	f.BoolVar(&g.all, "all", false, "of a set, print all members")
	cmd.MarkFlagsMutuallyExclusive("sample", "all")
	f.StringVar(&g.atLeast, "at-least", "", "answer only with what has seen version `V`, from an earlier get, put or delete")
	f.StringVarP(&g.output, "output", "o", "", "write the value to `FILE`, exactly as it is; - is stdout, a terminal too")
	setRingHelp(cmd, `
Print what is stored under a key: a value exactly as it is (with an end of line on a terminal only), members of a set one a line. Lists show
bytes that are no line of text as base64:...; --json has all values in base64, and the version, which put --if-version takes.

It asks a quorum of the hosts that hold the key: what an earlier put reported as stored is found, and a key is called missing only if the
quorum is sure. With --at-least a program that passes on the version it was last told never reads an older state, whichever node it asks and
whatever the ring's quorums are; where no holder has seen that version within the time, it ends with 6. --trace compares the hops that the lookup took with what theory expects of a ring of this size.`,
		map[int]string{exitConflict: "the key has several concurrent values (--siblings shows them)", exitDisk: "FILE cannot be written: the disk is full, read-only or failing"})
	return cmd
}

func (g *ringGet) run(ctx context.Context, key string) error {
	if err := checkRingKey(key); err != nil {
		return err
	}
	switch {
	case g.sample < 0:
		return usageError("--sample must not be negative; --all prints all members")
	case g.output != "" && g.inv.global.json:
		return usageError("-o and --json are two ways to write the value; choose one")
	}
	if g.all {
		g.sample = -1
	}
	return g.inv.withRing(ctx, &g.ringFlags, func(ctx context.Context, client *ring.Client) error {
		got, err := client.Get(ctx, key, ring.GetOptions{Trace: g.trace, Siblings: g.siblings, Sample: g.sample, AtLeast: g.atLeast})
		if err != nil {
			err = ringFailure("getting", quoteKey(key), err)
			var f *Failure
			if errors.As(err, &f) && f.Code == exitConflict {
				f.Hint = "--siblings shows them; put the value that they should become, with --if-version"
			}
			return err
		}
		return g.print(got)
	})
}

// print writes the result: the document, or the trace and the value.
func (g *ringGet) print(got *ring.Get) error {
	if got.Siblings == nil {
		got.Siblings = [][]byte{}
	}
	switch {
	case !g.trace:
		got.Path = nil // null: it was not asked for, where an empty list says that the asked node is the owner
	case got.Path == nil:
		got.Path = []ring.Hop{}
	}
	if g.inv.global.json {
		return g.inv.events.document(got)
	}
	if g.trace {
		if err := g.printTrace(got); err != nil {
			return err
		}
	}
	several := got.Members
	if several == nil {
		several = got.Siblings
	}
	switch {
	case got.Value != nil:
		return g.printValue(got)
	case g.output != "" && g.output != "-":
		return &Failure{What: "writing", Target: g.output, Cause: fmt.Errorf("%s has %s", quoteKey(got.Key), units.Plural(len(several), "value")),
			Hint: "--json has them all", Code: exitConflict}
	}
	var lines bytes.Buffer
	for _, value := range several {
		fmt.Fprintln(&lines, showValue(value))
	}
	if got.MemberCount > len(several) {
		g.inv.say(fmt.Sprintf("%d of %d members; --all prints all", len(several), got.MemberCount))
	}
	if _, err := g.inv.Out.Write(lines.Bytes()); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// printValue writes the one value to where it is wanted.
func (g *ringGet) printValue(got *ring.Get) error {
	if g.output != "" && g.output != "-" {
		return writeWhole(g.output, got.Value)
	}
	terminal := isTerminal(g.inv.Out)
	if terminal && g.output == "" && !isText(got.Value) {
		return &Failure{What: "printing", Target: quoteKey(got.Key), Cause: fmt.Errorf("its %s are not text", units.FormatSize(int64(len(got.Value)))),
			Hint: "write them to a file with -o FILE, or to the terminal all the same with -o -", Code: exitUsage}
	}
	value := got.Value
	if terminal && !bytes.HasSuffix(value, []byte("\n")) {
		value = append(bytes.Clone(value), '\n')
	}
	if _, err := g.inv.Out.Write(value); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// writeWhole replaces a file by one with this content, so that it never holds half of it. What is no ordinary file is written to.
func writeWhole(path string, content []byte) error {
	if stat, err := os.Stat(path); err == nil && !stat.Mode().IsRegular() {
		if err := os.WriteFile(path, content, 0o666); err != nil {
			return failFile(path, err)
		}
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".eddy-*")
	if err != nil {
		return failFile(path, err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(newFileMode(path)), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return failFile(path, err)
	}
	return nil
}

// failFile is that a value could not be written to the user's path, whatever file was on the way: always a failure of the disk, where
// that nothing is there must not pass for a key that does not exist. Nothing was kept that could be resumed.
func failFile(path string, err error) error {
	f := fail("writing", path, err)
	var p *fs.PathError
	if errors.As(err, &p) {
		f.Cause = p.Err
	}
	switch {
	case errors.Is(err, syscall.EISDIR):
		return f // wrong usage
	case errors.Is(err, fs.ErrNotExist):
		f.Hint = "make its directory first"
	case errors.Is(err, syscall.ENOSPC):
		f.Hint = "free some space"
	}
	f.Code = exitDisk
	return f
}

// newFileMode is that of the file that is replaced, else what everybody may read: a value in a ring is no secret of one user's.
func newFileMode(path string) os.FileMode {
	if stat, err := os.Stat(path); err == nil {
		return stat.Mode().Perm()
	}
	return 0o644
}

// printTrace writes the table of hops to stderr, where it cannot be mistaken for the value.
func (g *ringGet) printTrace(got *ring.Get) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "hop\tid\taddress\tround trip")
	for i, hop := range got.Path {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.3f ms\n", i+1, hop.ID, hop.Addr, hop.RTTms)
	}
	w.Flush()
	fmt.Fprintf(&table, "owner %s, %s, %.1f expected\n", got.Owner, units.Plural(got.Hops, "hop"), got.ExpectedHops)
	if _, err := io.Copy(g.inv.console, &table); err != nil {
		return fail("writing the trace to", "stderr", err)
	}
	return nil
}
