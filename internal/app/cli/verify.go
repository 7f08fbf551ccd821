package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
)

// verify is the state of `eddy verify`.
type verify struct {
	inv     *invocation
	bad     bool
	workers int
}

func newVerify(inv *invocation) *cobra.Command {
	v := &verify{inv: inv}
	cmd := &cobra.Command{
		Use:   "verify TORRENT PATH",
		Short: "compare content with its torrent",
		Example: `  eddy verify big.iso.torrent big.iso
  eddy verify photos.torrent /srv/images --bad`,
		Args: wantArgs("TORRENT PATH"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args[0], args[1]) },
	}
	cmd.Flags().BoolVar(&v.bad, "bad", false, "list the bad and missing pieces, a number a line, from 0")
	cmd.Flags().IntVar(&v.workers, "workers", 0, "use `N` cores for hashing (default all)")
	setHelp(cmd, `
Read content and compare each piece with the torrent's hashes. PATH is the content itself, or the directory that holds it under its
name. Nothing is written.`,
		exitOK, exitFailed, exitUsage, exitIncomplete, exitNotFound, exitTimeout, exitNetwork, exitDisk, exitInterrupted, exitTerminated)
	return cmd
}

// verified is the JSON document of `eddy verify`.
type verified struct {
	Pieces  int      `json:"pieces"`
	Good    int      `json:"good"`
	Bad     []int    `json:"bad"`
	Missing []string `json:"missing_files"`
}

func (v *verify) run(ctx context.Context, src, path string) error {
	t, err := v.inv.loadTorrent(ctx, src)
	if err != nil {
		return err
	}
	stop, progress := v.inv.followHashing("checking", filepath.Base(path))
	defer stop()
	report, err := eddy.Verify(ctx, t.meta, path, v.workers, progress)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fail("verifying", path, err)
	}
	doc := verified{report.Pieces, report.Good, report.Bad, report.MissingFiles}
	if err := v.tell(&doc, path); err != nil {
		return err
	}
	if doc.Good < doc.Pieces || len(doc.Missing) > 0 {
		return silentCode(exitIncomplete)
	}
	return nil
}

// tell prints what was found.
func (v *verify) tell(doc *verified, path string) error {
	if v.inv.global.json {
		if doc.Bad == nil {
			doc.Bad = []int{}
		}
		if doc.Missing == nil {
			doc.Missing = []string{}
		}
		return v.inv.events.document(doc)
	}
	var b strings.Builder
	if v.bad {
		for _, piece := range doc.Bad {
			fmt.Fprintln(&b, piece)
		}
	} else {
		fmt.Fprintf(&b, "%s: %d of %s good\n", oneLine(path), doc.Good, units.Plural(doc.Pieces, "piece"))
	}
	if _, err := v.inv.Out.Write([]byte(b.String())); err != nil {
		return failOutput("writing the result to", err)
	}
	for _, file := range doc.Missing {
		v.inv.say("missing: " + file)
	}
	return nil
}
