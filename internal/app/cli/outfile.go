package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/eddy-p2p/eddy/internal/app/plot"
)

// failWrite is the failure to write a file that a result goes to beside stdout. Nothing of that resumes, as fail's hint for a full disk
// says of content.
func failWrite(what, target string, err error) *Failure {
	f := fail(what, target, err)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		f.Hint = "free some space, or choose another place"
	case errors.Is(err, syscall.EISDIR):
		f.Hint = "want the name of a file"
	case errors.Is(err, fs.ErrNotExist):
		f.Hint = ""
	}
	return f
}

// checkPlot refuses a --plot that cannot be drawn, before anything takes time.
func checkPlot(given bool, path string) error {
	if !given {
		return nil
	}
	if path == "" {
		return usageError("--plot: want the name of a file that ends in .svg or .png")
	}
	if err := plot.CheckPath(path); err != nil {
		return usageError("--plot: %v", err)
	}
	if err := plot.Check(path); err != nil {
		return failWrite("drawing", path, err)
	}
	return nil
}

// checkDirectory refuses a directory to write to that is a file. One that is not there yet will be made.
func checkDirectory(flag, path string) error {
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && info.IsDir(), at == filepath.Dir(at):
			return nil
		case err == nil:
			return usageError("%s %s: %s is a file: want a directory", flag, path, at)
		}
	}
}

// show ends a command: it prints the document, or the text for people, and draws the panels to path, if there is one. The result is
// printed whatever becomes of the figure, and the other way round.
func (inv *invocation) show(path string, panels []plot.Panel, document any, text func() string) error {
	var err error
	if inv.global.json {
		err = inv.events.document(document)
	} else if _, wrong := io.WriteString(inv.Out, text()); wrong != nil {
		err = failOutput("writing the result to", wrong)
	}
	if path == "" {
		return err
	}
	if wrong := plot.Save(path, panels...); wrong != nil {
		var unwritten *Failure
		if errors.As(err, &unwritten) && !quietly(unwritten) {
			inv.complain(unwritten)
		}
		return failWrite("drawing", path, wrong)
	}
	return err
}
