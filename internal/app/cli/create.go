package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/metainfo"
)

// createFlags are the flags of all commands that make metainfo.
type createFlags struct {
	pieceSize size
	exclude   list
	include   list
	workers   int
}

func (c *createFlags) define(f *pflag.FlagSet) {
	f.Var(&c.pieceSize, "piece-size", "bytes of a piece, a power of two from 16KiB (default: 256KiB, more for large content)")
	f.Var(&c.exclude, "exclude", "leave out files that match `GLOB`; may be repeated")
	f.Var(&c.include, "include", "take only files that match `GLOB`; may be repeated")
	f.IntVar(&c.workers, "workers", 0, "use `N` cores for hashing (default all)")
}

// check refuses piece sizes that BEP 52 or other clients do not take. SI units are the trap here, so the hint names IEC's.
func (c *createFlags) check() error {
	p := int64(c.pieceSize)
	if p != 0 && (p < 16<<10 || p > 64<<20 || p&(p-1) != 0) {
		return &Failure{What: "setting --piece-size", Target: fmt.Sprint(p), Cause: errors.New("not a power of two from 16 KiB to 64 MiB"),
			Hint: "write 256KiB or 1MiB: kB and MB are powers of 1000", Code: exitUsage}
	}
	if c.workers < 0 {
		return usageError("--workers must not be negative")
	}
	return nil
}

// hashContent makes the metainfo of path, showing how far it is; what says in errors what it is for.
func (inv *invocation) hashContent(ctx context.Context, what, path string, opts eddy.CreateOptions) (*eddy.Source, error) {
	stop, progress := inv.followHashing("hashing", filepath.Base(path))
	defer stop()
	opts.Progress = progress
	opts.CacheDir, opts.Rehash = inv.cacheDir(), true // who makes a torrent wants it to be of what is there; share may then reuse it
	source, err := eddy.Create(ctx, path, opts)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fail(what, path, err)
	}
	return source, nil
}

// followHashing shows content being read; progress is what the reader calls.
func (inv *invocation) followHashing(verb, name string) (stop func(), progress func(done, total int64)) {
	var done, total atomic.Int64
	start := time.Now()
	stop = inv.follow(
		func() view {
			return view{label: verb + " " + name, done: done.Load(), total: total.Load(), parts: readingParts(done.Load(), total.Load(), time.Since(start))}
		},
		func() { inv.events.emit(hashingEvent{verb, done.Load(), total.Load()}) },
	)
	return stop, func(d, t int64) { done.Store(d); total.Store(t) }
}

// readingParts is the mean rate of reading so far, and the time left at it.
func readingParts(done, total int64, elapsed time.Duration) []string {
	if done <= 0 || elapsed <= 0 {
		return []string{"reading"}
	}
	bps := float64(done) / elapsed.Seconds()
	return []string{units.FormatRate(int64(bps)), units.FormatLeft(seconds(float64(max(0, total-done))/bps)) + " left"}
}

// reportUnreadable lists the files that were left out. Sockets, pipes and devices hold nothing to share: a note is enough.
func (inv *invocation) reportUnreadable(source *eddy.Source) {
	for _, u := range source.Unreadable {
		inv.complain(&Failure{What: "reading", Target: u.Path, Cause: bare(u.Err, u.Path),
			Hint: "the torrent is without it", Code: exitIncomplete})
	}
	for _, skipped := range source.Skipped {
		inv.say("left out " + skipped.Path + ": " + bare(skipped.Err, skipped.Path).Error())
	}
}

// checkTracker refuses what cannot be a tracker.
func checkTrackers(trackers []string) error {
	for _, t := range trackers {
		u, err := url.Parse(t)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "udp"}, u.Scheme) {
			return usageError("tracker %s: want a URL like http://HOST:PORT/announce or udp://HOST:PORT/announce", t)
		}
	}
	return nil
}

// create is the state of `eddy create`.
type create struct {
	inv *invocation
	createFlags
	output   string
	trackers list
	webSeeds list
	private  bool
	format   string
	comment  string
	dryRun   bool
}

func newCreate(inv *invocation) *cobra.Command {
	c := &create{inv: inv}
	cmd := &cobra.Command{
		Use:   "create PATH",
		Short: "make the .torrent of a file or directory",
		Example: `  eddy create big.iso -t http://tracker.example.org/announce
  eddy create photos/ -o photos.torrent --exclude '*.tmp' --format hybrid
  eddy create big.iso -n --json | jq -r .infohash_v1`,
		Args: wantArgs("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&c.output, "output", "o", "", "write to `FILE`, - for stdout (default NAME.torrent here)")
	f.VarP(&c.trackers, "tracker", "t", "announce to the tracker at `URL`; may be repeated, each is a tier")
	f.VarP(&c.webSeeds, "webseed", "w", "`URL` of a web server that has the content; may be repeated")
	f.BoolVarP(&c.private, "private", "p", false, "peers come from the trackers only (BEP 27)")
	choiceVar(f, &c.format, "format", "kind of metadata; v1 is what every client understands", "v1", "v2", "hybrid")
	f.StringVar(&c.comment, "comment", "", "`TEXT` for people")
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "hash and report, but write nothing")
	c.createFlags.define(f)
	setHelp(cmd, `
Make the .torrent of a file or directory and print its path. Directories are taken in a fixed order, so that the same content gives
the same infohash everywhere; links to files inside are followed, others refused. Unreadable files are listed and left out.

An existing file is left alone: if it is the very same torrent, that is success, else code 10. -n hashes and reports without
writing anything.`,
		exitOK, exitFailed, exitUsage, exitIncomplete, exitNotFound, exitDisk, exitConflict, exitInterrupted, exitTerminated)
	return cmd
}

func (c *create) check() error {
	if err := c.createFlags.check(); err != nil {
		return err
	}
	switch {
	case c.output == "-" && c.inv.global.json:
		c.inv.events.on = false
		return usageError("-o - and --json both want stdout; choose one")
	case c.output != "" && c.dryRun:
		return usageError("-n writes nothing: -o has no place")
	}
	return checkTrackers(c.trackers)
}

func (c *create) run(ctx context.Context, path string) error {
	if err := c.check(); err != nil {
		return err
	}
	format, err := metainfo.ParseFormat(c.format)
	if err != nil {
		return usageError("--format: %v", err)
	}
	source, err := c.inv.hashContent(ctx, "making the torrent of", path, eddy.CreateOptions{
		PieceLength: int64(c.pieceSize), Format: format, Trackers: tiers(c.trackers), WebSeeds: c.webSeeds,
		Private: c.private, Comment: c.comment, Exclude: c.exclude, Include: c.include, Workers: c.workers,
	})
	if err != nil {
		return err
	}
	c.inv.reportUnreadable(source)
	output := c.output
	switch {
	case c.dryRun:
		output = ""
	case output == "":
		output = metainfo.SanitizeElement(source.Meta.Name, metainfo.Posix) + ".torrent"
	}
	if err := c.write(output, source.Meta.Bytes()); err != nil {
		return err
	}
	if err := c.tell(output, source.Meta, source.Unreadable); err != nil {
		return err
	}
	if len(source.Unreadable) > 0 {
		return silentCode(exitIncomplete)
	}
	return nil
}

// write puts the torrent where it was asked for: nowhere for "".
func (c *create) write(output string, data []byte) error {
	switch output {
	case "":
		return nil
	case "-":
		if _, err := c.inv.Out.Write(data); err != nil {
			return failOutput("writing the torrent to", err)
		}
		return nil
	}
	old, err := os.ReadFile(output)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err == nil {
		return &Failure{What: "writing the torrent to", Target: output, Cause: errors.New("another file is there already"),
			Hint: "remove it, or choose another name with -o", Code: exitConflict}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fail("writing the torrent to", output, err)
	}
	if err := writeFile(output, data, 0o644); err != nil {
		return fail("writing the torrent to", output, err)
	}
	return nil
}

// writeFile creates or replaces a file in one step: readers see the old one or all of the new one.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".eddy-*.tmp")
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err // the temporary name would say nothing to the user
	}
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // no longer there once it was renamed
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// tell prints the result: the path alone for scripts, the figures on stderr, or all as JSON.
func (c *create) tell(output string, meta *metainfo.MetaInfo, left []eddy.Problem) error {
	sum := summarize(meta)
	sum.Path = known(output)
	doc := created{sum, []unreadable{}}
	for _, u := range left {
		doc.Unreadable = append(doc.Unreadable, unreadable{u.Path, bare(u.Err, u.Path).Error()})
	}
	if c.inv.global.json {
		return c.inv.events.document(doc)
	}
	hashes := ""
	for _, h := range []*string{sum.InfohashV1, sum.InfohashV2} {
		if h != nil {
			hashes += ", infohash " + *h
		}
	}
	c.inv.say(fmt.Sprintf("%s: %s in %s of %s%s", meta.Name, units.FormatSize(sum.Size), units.Plural(sum.Pieces, "piece"),
		formatPieceLength(meta.PieceLength), hashes))
	if output == "-" {
		return nil
	}
	if output == "" {
		output = meta.ID.String()
	}
	if _, err := fmt.Fprintln(c.inv.Out, output); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// summary is what create and show tell of a torrent.
type summary struct {
	Path        *string `json:"path"`
	InfohashV1  *string `json:"infohash_v1"`
	InfohashV2  *string `json:"infohash_v2"`
	PieceLength int64   `json:"piece_length"`
	Pieces      int     `json:"pieces"`
	Size        int64   `json:"size"` // bytes of the files, padding left out
}

// created is the JSON document of `eddy create`.
type created struct {
	summary
	Unreadable []unreadable `json:"unreadable"` // files that were left out
}

type unreadable struct {
	Path  string `json:"path"`
	Cause string `json:"cause"`
}

func summarize(meta *metainfo.MetaInfo) summary {
	s := summary{PieceLength: meta.PieceLength, Pieces: meta.NumPieces(), Size: meta.Length()}
	s.InfohashV1, s.InfohashV2 = infohashes(meta.ID)
	return s
}

// infohashes returns the hex forms of those that a torrent has.
func infohashes(id metainfo.ID) (v1, v2 *string) {
	if id.HasV1() {
		v1 = known(hex.EncodeToString(id.V1[:]))
	}
	if id.HasV2() {
		v2 = known(hex.EncodeToString(id.V2[:]))
	}
	return v1, v2
}

// formatPieceLength prints a power of two in IEC units.
func formatPieceLength(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
