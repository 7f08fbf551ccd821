package lab

import (
	_ "embed" // the script
	"os"
	"os/exec"
	"strconv"
)

//go:embed client_libtorrent.py
var libtorrentScript string

// python is the interpreter that Debian's modules belong to; EDDY_LAB_PYTHON names another.
func python() string {
	if p := os.Getenv("EDDY_LAB_PYTHON"); p != "" {
		return p
	}
	return "/usr/bin/python3"
}

// libtorrentClient is libtorrent-rasterbar, by its Python module.
var libtorrentClient = client{
	name: "libtorrent", pkg: "python3-libtorrent",
	missing: func() string {
		if exec.Command(python(), "-c", "import libtorrent").Run() != nil {
			return python() + " has no module libtorrent"
		}
		return ""
	},
	command: func(p *member) (*exec.Cmd, error) {
		role := "peer"
		if p.server {
			role = "server"
		}
		return exec.Command(python(), "-c", libtorrentScript, p.torrent, p.dir, p.listen.String(),
			strconv.FormatInt(p.up, 10), strconv.FormatInt(p.down, 10), role), nil
	},
	complete: func(line []byte) bool { return string(line) == "complete" },
}
