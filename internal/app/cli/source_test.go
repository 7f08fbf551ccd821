package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy/metainfo"
)

// makeTorrent returns a small valid torrent.
func makeTorrent(t *testing.T, name string) *metainfo.MetaInfo {
	t.Helper()
	b := &metainfo.Builder{Name: name, PieceLength: 16 << 10, Sources: []metainfo.Source{{Length: 5}}, Pieces: make([]byte, 20)}
	meta, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

func TestLoadTorrent(t *testing.T) {
	meta := makeTorrent(t, "x")
	file := filepath.Join(t.TempDir(), "x.torrent")
	if err := os.WriteFile(file, meta.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/x.torrent", func(w http.ResponseWriter, _ *http.Request) { w.Write(meta.Bytes()) })
	mux.HandleFunc("/html", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		zeros := make([]byte, 1<<20)
		for range 3 * maxTorrentFile >> 20 {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()

	hash, other := meta.ID.String(), strings.Repeat("0", 40)
	for _, row := range []struct {
		src  string
		code int
		says string
	}{
		{file, 0, ""},
		{"-", 0, ""},
		{server.URL + "/x.torrent", 0, ""},
		{server.URL + "/x.torrent#btih=" + hash, 0, ""},
		{server.URL + "/x.torrent#btih=" + strings.ToUpper(hash), 0, ""},
		{server.URL + "/x.torrent#btih=" + other, exitFailed, hash + ", but " + other},
		{server.URL + "/x.torrent#sha1=" + hash, exitFailed, "want #btih=HEX"},
		{server.URL + "/html", exitFailed, "web page and not a .torrent"},
		{server.URL + "/none", exitNotFound, "404"},
		{server.URL + "/busy", exitNetwork, "503"},
		{server.URL + "/loop", exitFailed, "redirects"},
		{server.URL + "/bomb", exitFailed, "10 MiB"},
		{closed.URL + "/x", exitNetwork, "refused"},
		{file + ".none", exitNotFound, "no such file"},
		{filepath.Dir(file), exitUsage, "is a directory"},
		{"magnet:?xt=urn:btih:" + hash, exitUsage, "magnet links are not yet supported"},
		{"ring:name", exitUsage, "only eddy get --ring"},
		{"gopher://x/y", exitUsage, "gopher"},
	} {
		inv := newInvocation(Stdio{In: bytes.NewReader(meta.Bytes())})
		got, err := inv.loadTorrent(context.Background(), row.src)
		var f *Failure
		switch {
		case row.code == 0 && (err != nil || got.meta.ID != meta.ID):
			t.Errorf("%s: %v", row.src, err)
		case row.code != 0 && (!errors.As(err, &f) || f.Code != row.code || !strings.Contains(f.Error(), row.says)):
			t.Errorf("%s: got %v, want code %d and %q", row.src, err, row.code, row.says)
		}
	}
}

// trust.md: "no public source (redirect, DNS answer, a public peer's PEX) leads to a less public address".
func TestDialGuard(t *testing.T) {
	for _, row := range []struct {
		first, then string
		ok          bool
	}{
		{"93.184.216.34:80", "93.184.216.35:80", true},
		{"93.184.216.34:80", "10.0.0.1:80", false},
		{"93.184.216.34:80", "127.0.0.1:80", false},
		{"[2606:2800::1]:80", "[::1]:80", false},
		{"[2606:2800::1]:80", "[fd00::1]:80", false},
		{"93.184.216.34:80", "[::ffff:10.0.0.1]:80", false},
		{"93.184.216.34:80", "0.0.0.0:80", false},
		{"93.184.216.34:80", "100.64.0.1:80", false},
		{"10.0.0.1:80", "10.0.0.2:80", true},
		{"10.0.0.1:80", "127.0.0.1:80", false},
		{"127.0.0.1:80", "10.0.0.1:80", true},
		{"127.0.0.1:80", "169.254.169.254:80", false},
	} {
		g := &dialGuard{}
		if err := g.control(context.Background(), "tcp", row.first, nil); err != nil {
			t.Errorf("the user's own %s is refused: %v", row.first, err)
		}
		if err := g.redirect(nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := g.control(context.Background(), "tcp", row.then, nil); (err == nil) != row.ok {
			t.Errorf("%s redirects to %s: %v, want ok=%v", row.first, row.then, err, row.ok)
		}
	}
	if publicness(netip.MustParseAddr("169.254.1.1")) != levelLinkLocal {
		t.Error("169.254/16 is not link-local")
	}
}
