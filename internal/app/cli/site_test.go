package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSite(t *testing.T) {
	s := newSite()
	server := httptest.NewServer(s)
	defer server.Close()
	s.base = strings.TrimPrefix(server.URL, "http://")
	odd := makeTorrent(t, "a b&c'd #1 ü.iso")
	first, second := s.add(odd), s.add(makeTorrent(t, "a b&c'd #1 ü.iso"))
	if first == second {
		t.Fatalf("two torrents of one name share %s", first)
	}
	if !s.tracks(odd.ID.Wire()) || s.tracks([20]byte{1}) {
		t.Error("the tracker serves the wrong torrents")
	}
	for _, row := range []struct {
		method, url string
		status      int
		body        string
	}{
		{"GET", first, 200, string(odd.Bytes())},
		{"GET", server.URL + "/a%20b&c'd%20%231%20%C3%BC.iso.torrent", 200, string(odd.Bytes())}, // escaped by another client
		{"HEAD", first, 200, ""},
		{"GET", server.URL + "/", 200, second + "\n" + first + "\n"},
		{"GET", server.URL + "/../etc/passwd", 404, "404 page not found\n"},
		{"POST", first, 405, "only GET and HEAD\n"},
	} {
		req, err := http.NewRequest(row.method, row.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		body.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != row.status || body.String() != row.body {
			t.Errorf("%s %s: %s %q", row.method, row.url, resp.Status, body.String())
		}
	}
}

// Whatever the name, the URL is one word for a shell and decodes to the name.
func TestURLSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		safe := urlSafe(name)
		if strings.Trim(safe, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-%") != "" {
			t.Fatalf("%q has characters that shells may mind", safe)
		}
		if back, err := url.PathUnescape(safe); err != nil || back != name {
			t.Fatalf("%q decodes to %q, %v", safe, back, err)
		}
	})
}

func TestShellWord(t *testing.T) {
	for _, url := range []string{"http://10.0.0.1:8/x%20y.torrent#btih=ab", "http://[fd00::1]:80/x.torrent#btih=ab", "", "#x", "~x", "a&b",
		"ring:it's a $HOME; `ls`"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(url)).Output()
		if err != nil || string(out) != url {
			t.Errorf("the shell reads %s as %s, %v", shellWord(url), out, err)
		}
	}
}

func TestCheckPeers(t *testing.T) {
	if err := checkPeers([]string{"10.0.0.1:6881", "[fd00::1]:6881", "host.example:1"}); err != nil {
		t.Error(err)
	}
	for _, p := range []string{"", "host", "host:", ":6881", "fd00::1:6881", "[fd00::1:6881", "host:port", "host:0", "host:123456"} {
		if checkPeers([]string{p}) == nil {
			t.Errorf("--peer %q is accepted", p)
		}
	}
}
