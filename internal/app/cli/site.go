package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/metainfo"
)

// site serves the .torrent files of a share, and tells the tracker which torrents are its own. Safe for concurrent use.
type site struct {
	base string // HOST:PORT

	mu     sync.RWMutex
	files  map[string][]byte   // .torrent by its escaped path, "/big.iso.torrent"
	hashes map[[20]byte]string // their paths by infohash, as trackers know it
}

func newSite() *site {
	return &site{files: map[string][]byte{}, hashes: map[[20]byte]string{}}
}

// add serves a torrent and returns its URL.
func (s *site) add(meta *metainfo.MetaInfo) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := urlSafe(meta.Name)
	path := "/" + name + ".torrent"
	for n := 2; s.files[path] != nil; n++ { // several directories may hold files of one name
		path = fmt.Sprintf("/%s-%d.torrent", name, n)
	}
	s.files[path] = meta.Bytes()
	s.hashes[meta.ID.Wire()] = path
	return "http://" + s.base + path
}

// tracks reports whether the tracker should serve a torrent: ours alone.
func (s *site) tracks(hash [20]byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hashes[hash] != ""
}

// remove takes back a torrent that is no longer served.
func (s *site) remove(t *eddy.Torrent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := t.ID().Wire()
	delete(s.files, s.hashes[hash])
	delete(s.hashes, hash)
}

// ServeHTTP serves the .torrent files, and at / the list of their URLs.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	s.mu.RLock()
	// Looked up by the decoded name escaped our way: clients differ in what they escape.
	data, found := s.files["/"+urlSafe(strings.TrimPrefix(r.URL.Path, "/"))]
	paths := make([]string, 0, len(s.files))
	for p := range s.files {
		paths = append(paths, p)
	}
	s.mu.RUnlock()
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	switch {
	case found:
		header.Set("Content-Type", "application/x-bittorrent")
		header.Set("Content-Length", strconv.Itoa(len(data)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(data) // a receiver that went away needs no error
		}
	case r.URL.Path == "/":
		header.Set("Content-Type", "text/plain; charset=utf-8")
		slices.SortFunc(paths, cmp.Compare[string])
		for _, p := range paths {
			_, _ = io.WriteString(w, "http://"+s.base+p+"\n")
		}
	default:
		http.NotFound(w, r)
	}
}

// urlSafe percent-encodes every byte but letters, digits and . _ ~ -, so that the result needs quotes in no shell and means
// the same in every URL parser.
func urlSafe(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._~-", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// shellWord quotes what a shell would not leave alone: the brackets of IPv6 addresses, and what people put into names.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("%+,-./:=@_#", r)
	}
	if word != "" && word[0] != '#' && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// joinHostPort is net.JoinHostPort for a numeric port.
func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// explicitHost returns the host of IP:PORT, unless it is empty or means every address.
func explicitHost(address string) string {
	host, _, err := net.SplitHostPort(address)
	if ip, perr := netip.ParseAddr(host); err != nil || perr == nil && ip.IsUnspecified() {
		return ""
	}
	return host
}

// resolve returns the addresses of a host name, or the one it is.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, err
}

// checkListen checks the form of an address to listen on; "" is left to the default.
func checkListen(flag, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if _, numeric := strconv.ParseUint(port, 10, 16); err != nil || numeric != nil {
		return usageError("%s %s: want IP:PORT, like 0.0.0.0:6969 or :0 for any port", flag, address)
	}
	return nil
}
