package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// client is a BitTorrent client that the lab can measure.
type client struct {
	name string
	pkg  string // that brings it, where it is not ours

	// noLoopback: it takes no peers at 127.x addresses.
	noLoopback bool

	// missing says why it cannot run here; "" if it can.
	missing func() string

	// command starts a member of a swarm. The server's content is in p.dir already, and it has been told so.
	command func(p *member) (*exec.Cmd, error)

	// complete reports whether a line of its output says that all is there and verified; nil for clients that make the file
	// p.done then.
	complete func(line []byte) bool
}

// member is one client in a swarm.
type member struct {
	exe     string // eddy's own
	server  bool
	policy  string // eddy's; "" = its default
	torrent string // file
	dir     string // where the content is, or goes
	state   string // where it keeps its own files: an empty directory, for the server what it left there before
	done    string // a file to make when all is there
	listen  netip.AddrPort
	up      int64 // bytes/s it has to limit itself to; 0 where the link does
	down    int64
}

// clients lists what --client takes; the first is the default.
var clients = []client{eddyClient, aria2Client, transmissionClient, libtorrentClient}

// ClientNames lists the clients that a lab can measure, eddy first.
func ClientNames() []string {
	var names []string
	for _, c := range clients {
		names = append(names, c.name)
	}
	return names
}

// findClient returns the client of a name, once it is known that it can run.
func findClient(name string) (*client, error) {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no client %q", name)
	}
	c := &clients[i]
	if c.missing != nil {
		if why := c.missing(); why != "" {
			return nil, &MissingError{why, "on Debian: apt install " + c.pkg}
		}
	}
	return c, nil
}

// MissingError says that something which a lab needs is not on this machine.
type MissingError struct {
	What string
	Hint string // how to get it
}

func (e *MissingError) Error() string { return e.What }

var eddyClient = client{
	name: "eddy",
	command: func(p *member) (*exec.Cmd, error) {
		args := []string{"get", p.torrent, "-d", p.dir, "--seed"}
		if p.server {
			args = []string{"seed", p.torrent, p.dir}
		}
		args = append(args, "--listen", p.listen.String(), "--state", p.state, "--json", "--progress", "none")
		if p.policy != "" {
			args = append(args, "--policy", p.policy)
		}
		if p.up > 0 {
			args = append(args, "--limit-up", strconv.FormatInt(p.up, 10))
		}
		if p.down > 0 && !p.server {
			args = append(args, "--limit-down", strconv.FormatInt(p.down, 10))
		}
		return eddyCommand(p.exe, args...), nil
	},
	complete: func(line []byte) bool {
		var event struct {
			Type string `json:"type"`
		}
		return json.Unmarshal(line, &event) == nil && event.Type == "complete"
	},
}

// eddyCommand runs this program under its name: the path that it is started by may be another.
func eddyCommand(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Args[0] = "eddy"
	return cmd
}

// missingProgram returns a client's missing function for a program that has to be in the PATH.
func missingProgram(program string) func() string {
	return func() string {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
		return ""
	}
}

// contentName is what the content is called in every torrent.
const contentName = "content"

func (p *member) contentPath() string { return filepath.Join(p.dir, contentName) }
