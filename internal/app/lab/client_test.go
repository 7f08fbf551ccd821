package lab

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What is missing is named with the package that brings it.
func TestMissingClient(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("EDDY_LAB_PYTHON", "/nonexistent/python3")
	for name, pkg := range map[string]string{"aria2": "aria2", "transmission": "transmission-cli", "libtorrent": "python3-libtorrent"} {
		_, err := findClient(name)
		var missing *MissingError
		if !errors.As(err, &missing) || !strings.Contains(missing.Hint, pkg) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := findClient("eddy"); err != nil {
		t.Errorf("eddy: %v", err)
	}
	if _, err := findClient("netscape"); err == nil {
		t.Error("there is a client netscape")
	}
}

// With shaped links no client is held back by a limit of its own; without, everybody is, at the rate asked for.
func TestClientLimits(t *testing.T) {
	for _, c := range clients {
		for _, server := range []bool{true, false} {
			p := &member{exe: "eddy", server: server, torrent: "t", dir: t.TempDir(), state: t.TempDir(), done: "done",
				listen: netip.MustParseAddrPort("127.1.1.1:6881"), up: 123_000}
			args := func() string {
				cmd, err := c.command(p)
				if err != nil {
					t.Fatal(err)
				}
				i := slices.Index(cmd.Args, libtorrentScript)
				if i >= 0 {
					cmd.Args[i] = ""
				}
				return strings.Join(cmd.Args, " ")
			}
			if with := args(); !strings.Contains(with, "123") {
				t.Errorf("%s is not limited: %s", c.name, with)
			}
			p.up = 0
			if without := args(); strings.Contains(without, "123") || strings.Contains(without, "--limit") {
				t.Errorf("%s is limited: %s", c.name, without)
			}
		}
	}
}

// The policy that is measured is the one that the processes run.
func TestEddyPolicy(t *testing.T) {
	for _, server := range []bool{true, false} {
		p := &member{exe: "eddy", server: server, policy: "cooperative", listen: netip.MustParseAddrPort("127.1.1.1:6881")}
		cmd, err := eddyClient.command(p)
		if err != nil || !strings.Contains(strings.Join(cmd.Args, " "), "--policy cooperative") {
			t.Errorf("%v, %v", cmd.Args, err)
		}
	}
}

// Only the event of completion is one, whatever else is printed.
func TestEddyComplete(t *testing.T) {
	for line, want := range map[string]bool{
		`{"type":"complete","bytes":1}`:                    true,
		`{"type":"progress","bytes":1,"state":"complete"}`: false,
		`complete`: false,
		``:         false,
	} {
		if got := eddyClient.complete([]byte(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
