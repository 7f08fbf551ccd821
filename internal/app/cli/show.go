package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/metainfo"
)

// show is the state of `eddy show`.
type show struct {
	inv                     *invocation
	files, magnet, infohash bool
}

func newShow(inv *invocation) *cobra.Command {
	s := &show{inv: inv}
	cmd := &cobra.Command{
		Use:   "show TORRENT|MAGNET",
		Short: "print what a torrent or magnet link says",
		Example: `  eddy show big.iso.torrent
  eddy show photos.torrent --files
  eddy show http://10.0.0.5:40001/big.iso.torrent --magnet`,
		Args: wantArgs("TORRENT|MAGNET"),
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args[0]) },
	}
	f := cmd.Flags()
	f.BoolVar(&s.files, "files", false, "list the files with the numbers that get --select takes")
	f.BoolVar(&s.magnet, "magnet", false, "print the magnet link alone")
	f.BoolVar(&s.infohash, "infohash", false, "print the infohash alone: v1's where there is one")
	cmd.MarkFlagsMutuallyExclusive("files", "magnet", "infohash")
	setHelp(cmd, `
Print what a torrent says of itself: names, hashes, trackers, files. TORRENT is a .torrent file (- is stdin) or an http(s) URL of
one; MAGNET a magnet link, which tells less. Names are shown as the torrent has them, without control characters.`,
		exitOK, exitFailed, exitUsage, exitNotFound, exitTimeout, exitNetwork)
	return cmd
}

// shown is the JSON document of `eddy show`. nil = not told by what was shown.
type shown struct {
	Path        *string     `json:"path"`
	InfohashV1  *string     `json:"infohash_v1"`
	InfohashV2  *string     `json:"infohash_v2"`
	PieceLength *int64      `json:"piece_length"`
	Pieces      *int        `json:"pieces"`
	Size        *int64      `json:"size"`
	Name        *string     `json:"name"`
	Private     *bool       `json:"private"`
	Comment     *string     `json:"comment"`
	CreatedBy   *string     `json:"created_by"`
	Created     *string     `json:"created"` // RFC 3339
	Trackers    [][]string  `json:"trackers"`
	WebSeeds    []string    `json:"webseeds"`
	Magnet      string      `json:"magnet"`
	Files       []shownFile `json:"files"`
}

type shownFile struct {
	Path   string `json:"path"`
	Length int64  `json:"length"`
	Offset int64  `json:"offset"`
	Pad    bool   `json:"pad"`
}

func (s *show) run(ctx context.Context, src string) error {
	doc, id, err := s.load(ctx, src)
	if err != nil {
		return err
	}
	if s.inv.global.json {
		return s.inv.events.document(doc)
	}
	var text string
	switch {
	case s.infohash:
		text = id.String() + "\n"
	case s.magnet:
		text = doc.Magnet + "\n"
	case s.files:
		text = filesTable(doc.Files)
	default:
		text = doc.table()
	}
	if _, err := s.inv.Out.Write([]byte(text)); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// load reads a torrent or a magnet link.
func (s *show) load(ctx context.Context, src string) (*shown, metainfo.ID, error) {
	if metainfo.IsMagnet(src) {
		m, err := metainfo.ParseMagnet(src)
		if err != nil {
			return nil, metainfo.ID{}, &Failure{What: "reading the magnet link", Target: src, Cause: err, Code: exitFailed}
		}
		if s.files {
			return nil, m.ID, &Failure{What: "listing the files of", Target: src, Code: exitUsage,
				Cause: fmt.Errorf("a magnet link does not name them"), Hint: "give the .torrent file"}
		}
		doc := &shown{Name: known(m.Name), Size: known(m.Length), Trackers: tiers(m.Trackers), WebSeeds: m.WebSeeds, Magnet: m.String()}
		doc.InfohashV1, doc.InfohashV2 = infohashes(m.ID)
		return doc, m.ID, nil
	}
	t, err := s.inv.loadTorrent(ctx, src)
	if err != nil {
		return nil, metainfo.ID{}, err
	}
	return describe(src, t.meta), t.meta.ID, nil
}

// describe makes the document of a torrent file.
func describe(src string, meta *metainfo.MetaInfo) *shown {
	sum := summarize(meta)
	doc := &shown{
		Path: &src, InfohashV1: sum.InfohashV1, InfohashV2: sum.InfohashV2,
		PieceLength: &sum.PieceLength, Pieces: &sum.Pieces, Size: &sum.Size,
		Name: &meta.Name, Private: &meta.Private, Comment: known(meta.Comment), CreatedBy: known(meta.CreatedBy),
		Trackers: meta.Trackers(), WebSeeds: meta.URLList, Magnet: meta.Magnet(),
	}
	if meta.CreationDate > 0 {
		doc.Created = known(time.Unix(meta.CreationDate, 0).UTC().Format(time.RFC3339))
	}
	if doc.Trackers == nil {
		doc.Trackers = [][]string{}
	}
	if doc.WebSeeds == nil {
		doc.WebSeeds = []string{}
	}
	doc.Files = []shownFile{}
	for i := range meta.Files {
		f := &meta.Files[i]
		doc.Files = append(doc.Files, shownFile{strings.Join(f.Path, "/"), f.Length, f.Offset, f.Pad})
	}
	return doc
}

// table is the document for people.
func (d *shown) table() string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, oneLine(value)) }
	text := func(name string, value *string) {
		if value != nil {
			row(name, *value)
		}
	}
	text("name", d.Name)
	text("infohash v1", d.InfohashV1)
	text("infohash v2", d.InfohashV2)
	if d.Size != nil {
		row("size", fmt.Sprintf("%s (%d bytes)", units.FormatSize(*d.Size), *d.Size))
	}
	if d.Pieces != nil {
		row("pieces", fmt.Sprintf("%d of %s", *d.Pieces, formatPieceLength(*d.PieceLength)))
	}
	if n := d.countFiles(); n > 0 {
		row("files", fmt.Sprint(n))
	}
	if d.Private != nil && *d.Private {
		row("private", "yes: peers from its trackers only")
	}
	text("comment", d.Comment)
	text("created by", d.CreatedBy)
	text("created", d.Created)
	for i, tier := range d.Trackers {
		row(fmt.Sprintf("tracker tier %d", i+1), strings.Join(tier, " "))
	}
	for _, seed := range d.WebSeeds {
		row("web seed", seed)
	}
	row("magnet", d.Magnet)
	w.Flush()
	return b.String()
}

func (d *shown) countFiles() int {
	n := 0
	for _, f := range d.Files {
		if !f.Pad {
			n++
		}
	}
	return n
}

// filesTable lists the files; padding keeps its number but is not shown, since it cannot be selected.
func filesTable(files []shownFile) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, f := range files {
		if !f.Pad {
			fmt.Fprintf(w, "%d\t%s\t  %s\n", i+1, units.FormatSize(f.Length), oneLine(f.Path))
		}
	}
	w.Flush()
	return b.String()
}
