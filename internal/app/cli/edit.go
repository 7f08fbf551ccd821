package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/bencode"
	"github.com/eddy-p2p/eddy/metainfo"
)

// edit is the state of `eddy edit`.
type edit struct {
	inv                  *invocation
	add, remove, replace list
	comment              string
	private              bool

	setComment, setPrivate bool // which were given: "" and false are values too
}

func newEdit(inv *invocation) *cobra.Command {
	e := &edit{inv: inv}
	cmd := &cobra.Command{
		Use:   "edit TORRENT",
		Short: "change trackers, comment or privacy of a torrent file",
		Example: `  eddy edit big.iso.torrent --tracker-add udp://tracker.example.org:6969/announce
  eddy edit big.iso.torrent --tracker-replace http://10.0.0.5:6969/announce
  eddy edit big.iso.torrent --comment '' --private=false`,
		Args: wantArgs("TORRENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.setComment, e.setPrivate = cmd.Flags().Changed("comment"), cmd.Flags().Changed("private")
			return e.run(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.Var(&e.replace, "tracker-replace", "put the tracker at `URL` in the place of all present ones; may be repeated, each is a tier")
	f.Var(&e.remove, "tracker-remove", "take out the tracker at `URL`; may be repeated")
	f.Var(&e.add, "tracker-add", "add the tracker at `URL` as the last tier, if it is not there; may be repeated")
	f.StringVar(&e.comment, "comment", "", "set the `TEXT` for people; '' takes it out")
	f.BoolVar(&e.private, "private", false, "peers come from the trackers only (BEP 27); changes the infohash")
	setHelp(cmd, `
Change a .torrent file and print its path. Trackers are first replaced, then taken out, then added. The file is replaced in one step;
what eddy does not know in it is kept. Trackers and comment leave the infohash as it is. --private and --private=false change it, which
makes it another torrent with a swarm of its own.`,
		exitOK, exitFailed, exitUsage, exitNotFound, exitDisk)
	return cmd
}

// edited is the JSON document of `eddy edit`: show's, and what happened.
type edited struct {
	*shown
	Changed bool `json:"changed"`
}

func (e *edit) run(ctx context.Context, path string) error {
	if err := e.check(path); err != nil {
		return err
	}
	t, err := e.inv.loadTorrent(ctx, path)
	if err != nil {
		return err
	}
	was, before := t.meta.ID, t.meta.Bytes()
	meta, err := e.apply(t.meta, path)
	if err != nil {
		return err
	}
	after := meta.Bytes()
	changed := !bytes.Equal(before, after)
	if changed {
		if err := replaceFile(path, after); err != nil {
			return fail("writing the torrent to", path, err)
		}
	}
	if e.inv.global.json {
		return e.inv.events.document(edited{describe(path, meta), changed})
	}
	switch {
	case meta.ID != was:
		e.inv.say("the infohash is now " + meta.ID.String() + ": peers of the old torrent are another swarm")
	case !changed:
		e.inv.say(path + " is like that already")
	}
	if _, err := fmt.Fprintln(e.inv.Out, path); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

func (e *edit) check(path string) error {
	if len(e.add)+len(e.remove)+len(e.replace) == 0 && !e.setComment && !e.setPrivate {
		return &Failure{What: "editing", Target: path, Cause: errors.New("nothing to change was given"), Hint: "see eddy edit --help", Code: exitUsage}
	}
	if path == "-" || schemeOf(path) != "" {
		return &Failure{What: "editing", Target: path, Cause: errors.New("not a file"), Hint: "give the path of a .torrent file", Code: exitUsage}
	}
	return checkTrackers(slices.Concat(e.add, e.replace))
}

// apply returns the torrent with what was asked for.
func (e *edit) apply(meta *metainfo.MetaInfo, path string) (*metainfo.MetaInfo, error) {
	trackers, err := e.trackers(meta.Trackers(), path)
	if err != nil {
		return nil, err
	}
	if len(e.add)+len(e.remove)+len(e.replace) > 0 {
		meta.Announce, meta.AnnounceList = "", nil
		if len(trackers) > 0 {
			meta.Announce = trackers[0][0] // for clients that do not know BEP 12
		}
		if len(trackers) > 1 || len(trackers) == 1 && len(trackers[0]) > 1 {
			meta.AnnounceList = trackers
		}
	}
	if e.setComment {
		meta.Comment = e.comment
	}
	if !e.setPrivate || e.private == meta.Private {
		return meta, nil
	}
	if meta.InfoBytes, err = withPrivate(meta.InfoBytes, e.private); err != nil {
		return nil, fail("editing", path, err)
	}
	if meta, err = metainfo.Parse(meta.Bytes()); err != nil { // takes the new identity, and makes sure that others can read it
		return nil, fail("editing", path, err)
	}
	return meta, nil
}

// trackers returns the tiers after replacing, removing and adding. A tracker to remove that is not there is a slip to be told.
func (e *edit) trackers(present [][]string, path string) ([][]string, error) {
	var now [][]string
	if len(e.replace) > 0 {
		present = tiers(e.replace)
	}
	for _, url := range e.remove {
		if !slices.ContainsFunc(present, func(tier []string) bool { return slices.Contains(tier, url) }) {
			return nil, &Failure{What: "taking out the tracker", Target: url, Cause: fmt.Errorf("%s does not name it", path),
				Hint: "eddy show lists its trackers", Code: exitNotFound}
		}
	}
	for _, tier := range present {
		kept := slices.DeleteFunc(slices.Clone(tier), func(url string) bool { return slices.Contains(e.remove, url) })
		if len(kept) > 0 {
			now = append(now, kept)
		}
	}
	for _, url := range e.add {
		if !slices.ContainsFunc(now, func(tier []string) bool { return slices.Contains(tier, url) }) {
			now = append(now, []string{url})
		}
	}
	return now, nil
}

// withPrivate returns an info dictionary with the private flag set or taken out, and all else as it was.
func withPrivate(info []byte, private bool) ([]byte, error) {
	root, err := bencode.Parse(info, bencode.Limits{})
	if err != nil {
		return nil, err
	}
	dict := make(map[string]any)
	for key, value := range root.Entries() {
		if _, repeated := dict[string(key)]; !repeated { // the first of a key is the one that is read
			dict[string(key)] = bencode.Raw(value.Raw())
		}
	}
	if delete(dict, "private"); private {
		dict["private"] = int64(1)
	}
	return bencode.Append(nil, dict)
}

// replaceFile puts new bytes in the place of a file, with its permissions; of a link, where it leads.
func replaceFile(path string, data []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	var mode fs.FileMode = 0o644
	if stat, err := os.Stat(real); err == nil {
		mode = stat.Mode().Perm()
	}
	return writeFile(real, data, mode)
}
