package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/eddy-p2p/eddy/metainfo"
)

const (
	maxTorrentFile = 10 << 20         // bytes of a .torrent; larger ones are refused unread
	fetchTimeout   = 30 * time.Second // for the whole of a .torrent
	maxRedirects   = 5
)

// torrentFile is metainfo as it came: parsed, and where from.
type torrentFile struct {
	origin string // path or URL, as given
	meta   *metainfo.MetaInfo
}

// loadTorrent reads the metainfo that src names: a .torrent file, an http(s) URL of one, whose #btih=HEX is checked, or - for
// stdin.
func (inv *invocation) loadTorrent(ctx context.Context, src string) (*torrentFile, error) {
	var data []byte
	var err error
	what := "reading the torrent"
	location, fragment := src, ""
	switch scheme := schemeOf(src); scheme {
	case "ring":
		return nil, &Failure{What: "reading the torrent", Target: src, Code: exitUsage, Cause: errors.New("only eddy get --ring ADDR finds names in a ring"),
			Hint: "give the .torrent file or its http URL"}
	case "magnet":
		return nil, &Failure{
			What: "getting", Target: src, Code: exitUsage, Cause: fmt.Errorf("%s links are not yet supported", scheme),
			Hint: "give the .torrent file or its http URL",
		}
	case "http", "https":
		what = "fetching the torrent"
		location, fragment, _ = strings.Cut(src, "#")
		if u, bad := url.Parse(location); bad != nil || u.Host == "" {
			return nil, usageError("%s is not a URL: want http://HOST:PORT/NAME.torrent", src)
		}
		data, err = inv.fetchTorrent(ctx, location)
	case "":
		if src == "" {
			return nil, usageError("an empty argument where a .torrent file or URL is wanted")
		}
		data, err = inv.readTorrent(src)
	default:
		return nil, &Failure{
			What: "getting", Target: src, Code: exitUsage, Cause: fmt.Errorf("eddy does not know %s: links", scheme),
			Hint: "give a .torrent file or an http(s) URL of one",
		}
	}
	if err != nil {
		return nil, fail(what, location, err)
	}
	meta, err := metainfo.Parse(data)
	if err != nil {
		hint := "it is not a valid .torrent file"
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
			hint = "it is a web page and not a .torrent file"
		}
		return nil, &Failure{What: what, Target: location, Cause: err, Hint: hint, Code: exitFailed}
	}
	if err := checkFragment(fragment, meta.ID); err != nil {
		return nil, &Failure{What: what, Target: location, Cause: err, Hint: "somebody exchanged the torrent, or the line was cut", Code: exitFailed}
	}
	return &torrentFile{origin: src, meta: meta}, nil
}

// schemeOf returns the lower-case URL scheme of src, or "" for a path. A single letter is a Windows drive, and what exists
// as a file is a file.
func schemeOf(src string) string {
	scheme, _, found := strings.Cut(src, ":")
	if !found || len(scheme) < 2 || strings.ContainsAny(scheme, `/\. `) {
		return ""
	}
	if _, err := os.Lstat(src); err == nil {
		return ""
	}
	return strings.ToLower(scheme)
}

// readTorrent reads a file, or stdin for "-", within the limit.
func (inv *invocation) readTorrent(path string) ([]byte, error) {
	if path == "-" {
		return readBounded(inv.In)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if stat, err := f.Stat(); err == nil && stat.IsDir() {
		return nil, syscall.EISDIR
	}
	return readBounded(f)
}

// readBounded reads r to its end unless it is longer than a .torrent may be.
func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTorrentFile+1))
	if err == nil && len(data) > maxTorrentFile {
		err = fmt.Errorf("longer than the %d MiB that a .torrent may have", maxTorrentFile>>20)
	}
	return data, err
}

// checkFragment compares #btih=HEX (or base32, or #btmh=1220HEX for v2) with the torrent that came.
func checkFragment(fragment string, id metainfo.ID) error {
	if fragment == "" {
		return nil
	}
	for part := range strings.SplitSeq(fragment, "&") {
		key, value, _ := strings.Cut(part, "=")
		var got string
		switch strings.ToLower(key) {
		case "btih":
			got = hex.EncodeToString(id.V1[:])
			if raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(value)); err == nil && len(value) == 32 {
				value = hex.EncodeToString(raw)
			}
			if !id.HasV1() {
				return fmt.Errorf("has no v1 infohash, but %s was asked for", value)
			}
		case "btmh":
			got = "1220" + hex.EncodeToString(id.V2[:])
		default:
			return fmt.Errorf("cannot check %q: want #btih=HEX", "#"+part)
		}
		if !strings.EqualFold(got, value) {
			return fmt.Errorf("has infohash %s, but %s was asked for", got, value)
		}
	}
	return nil
}

// fetchTorrent downloads a .torrent. The user named the first host, so it may be anywhere; where that one redirects to may
// not be less public, or any web page could make us knock on doors behind the firewall (trust: SSRF).
func (inv *invocation) fetchTorrent(ctx context.Context, location string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, context.DeadlineExceeded)
	defer cancel()
	guard := &dialGuard{}
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:                  inv.proxy(),
			DialContext:            (&net.Dialer{ControlContext: guard.control}).DialContext,
			DisableKeepAlives:      true, // each request dials, so that the guard sees each
			DisableCompression:     true, // what counts against the limit is what is stored
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: guard.redirect,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "eddy")
	resp, err := client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		code := exitNetwork
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
			code = exitNotFound
		}
		return nil, &statusError{resp.Status, code}
	}
	return readBounded(resp.Body)
}

// proxy reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY of this run's environment, as http.ProxyFromEnvironment would of the
// process's.
func (inv *invocation) proxy() func(*http.Request) (*url.URL, error) {
	either := func(name string) string { return cmp.Or(inv.getenv(name), inv.getenv(strings.ToLower(name))) }
	config := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	choose := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}

// withoutURL takes the address out of an error of net/http: the line that it will be part of names it already.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// statusError is an answer other than 200.
type statusError struct {
	status string
	code   int
}

func (e *statusError) Error() string { return "the server answers " + e.status }

// dialGuard refuses addresses that are less public than the first that was dialled, once a redirect was followed.
type dialGuard struct {
	mu         sync.Mutex
	redirected bool
	dialled    bool
	floor      int // publicness of the first address
}

var errLessPublic = errors.New("refused: a redirect led to a less public address")

// redirect bounds the number of redirects and notes that one was followed.
func (g *dialGuard) redirect(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.redirected = true
	return nil
}

// control sees each resolved address just before it is connected to.
func (g *dialGuard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("cannot judge the address %s: %w", address, err)
	}
	level := publicness(target.Addr())
	g.mu.Lock()
	defer g.mu.Unlock()
	if level == levelLinkLocal {
		return errors.New("refused: link-local addresses serve cloud metadata, not torrents")
	}
	if g.redirected && level < g.floor {
		return errLessPublic
	}
	if !g.redirected && (!g.dialled || level < g.floor) {
		g.dialled, g.floor = true, level
	}
	return nil
}

// How public an address is.
const (
	levelLinkLocal = iota
	levelLoopback
	levelPrivate
	levelPublic
)

// publicness classes an address; carrier-grade NAT counts as private.
func publicness(a netip.Addr) int {
	a = a.Unmap()
	switch {
	case a.IsLinkLocalUnicast():
		return levelLinkLocal
	case a.IsLoopback(), a.IsUnspecified():
		return levelLoopback
	case a.IsPrivate(), netip.MustParsePrefix("100.64.0.0/10").Contains(a):
		return levelPrivate
	}
	return levelPublic
}
