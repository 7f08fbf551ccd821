package cli

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// hookGrace is how long an --on-complete command may take to end after it was told to.
const hookGrace = 3 * time.Second

// runHook runs the --on-complete command, if there is one. Its output goes to stderr, since stdout is the result.
func (d *download) runHook(ctx context.Context) error {
	if d.onComplete == "" {
		return nil
	}
	path := d.torrent.Path()
	if abs, err := filepath.Abs(path); err == nil {
		path = abs // the command may change its directory
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", d.onComplete) // as system(3): not what PATH makes of it
	cmd.Env = append(slices.Clone(d.inv.Environ), "EDDY_PATH="+path, "EDDY_INFOHASH="+d.torrent.ID().String())
	cmd.Stdout, cmd.Stderr = d.inv.console, d.inv.console
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = hookGrace
	if err := cmd.Run(); err != nil {
		failure := &Failure{What: "running the --on-complete command", Target: d.onComplete, Cause: err,
			Hint: "the content is complete and verified all the same", Code: exitFailed}
		d.inv.complain(failure)
		return silentCode(exitFailed)
	}
	return nil
}
