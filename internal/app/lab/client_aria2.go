package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

var aria2Client = client{
	name: "aria2", pkg: "aria2", missing: missingProgram("aria2c"),
	command: func(p *member) (*exec.Cmd, error) {
		args := []string{
			"--no-conf", "--dir=" + p.dir, "--interface=" + p.listen.Addr().String(), "--listen-port=" + strconv.Itoa(int(p.listen.Port())),
			"--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
			"--max-overall-upload-limit=" + strconv.FormatInt(p.up, 10), "--max-overall-download-limit=" + strconv.FormatInt(p.down, 10),
			"--bt-max-peers=0",                // no limit
			"--bt-request-peer-speed-limit=0", // ask the tracker for more only when it says so
			"--seed-ratio=0.0",                // for ever
			"--file-allocation=none", "--follow-torrent=mem", "--allow-overwrite=true",
			"--summary-interval=0", "--console-log-level=warn", "--show-console-readout=false", "--enable-color=false",
		}
		if p.server {
			args = append(args, "--bt-seed-unverified=true")
		} else {
			hook := filepath.Join(p.state, "complete.sh")
			if err := writeHook(hook, p.done); err != nil {
				return nil, err
			}
			args = append(args, "--on-bt-download-complete="+hook)
		}
		return exec.Command("aria2c", append(args, p.torrent)...), nil
	},
}

// writeHook makes a script that makes the file done.
func writeHook(path, done string) error {
	return os.WriteFile(path, []byte("#!/bin/sh\n: >'"+done+"'\n"), 0o700)
}
