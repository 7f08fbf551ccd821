package tracker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

const maxRedirects = 5

// httpExchanges returns the announces to make: one a family, or one in all where a proxy decides about addresses.
func (c *Client) httpExchanges(ctx context.Context, u *url.URL, req *announce.Request) ([]exchange, error) {
	target := string(announce.AppendURL(nil, u.String(), req))
	over := func(network string) exchange {
		return func(ctx context.Context) (announce.Response, error) {
			body, status, reached, err := c.get(ctx, network, target)
			if err != nil {
				return announce.Response{}, err
			}
			r, err := announce.ParseResponse(body)
			// Some trackers refuse with a status as well as with a reason; a bare status is all there is to say.
			if status != "" && (err != nil || r.Failure == "") {
				return announce.Response{}, errors.New(status)
			}
			r.Peers = within(r.Peers, reached)
			return r, err
		}
	}
	probe, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	proxy, err := c.cfg.Proxy(probe)
	if err != nil {
		return nil, fmt.Errorf("proxy settings: %w", err)
	}
	if proxy != nil {
		return []exchange{over("tcp")}, nil
	}
	addrs, err := c.addresses(ctx, u.Hostname())
	if err != nil {
		return nil, err
	}
	var list []exchange
	for _, a := range addrs {
		if a.Is4() {
			list = append(list, over("tcp4"))
		} else {
			list = append(list, over("tcp6"))
		}
	}
	return list, nil
}

func (c *Client) httpScrape(ctx context.Context, rawURL string, hashes [][20]byte) ([]announce.Counts, error) {
	base, ok := announce.ScrapeURL(rawURL)
	if !ok {
		return nil, errors.New("its URL does not end in announce, so it has no scrape (BEP 48)")
	}
	body, status, _, err := c.get(ctx, "tcp", string(announce.AppendScrapeURL(nil, base, hashes)))
	if err != nil {
		return nil, err
	}
	if status != "" {
		return nil, errors.New(status)
	}
	return announce.ParseScrape(body, hashes)
}

// get fetches target, following redirects. Each hop must be at least as public as those before it. It returns the body and,
// unless it is 200 OK, the status, and the scope of the address that answered.
func (c *Client) get(ctx context.Context, network, target string) (body []byte, status string, reached netx.Scope, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.HTTPTimeout)
	defer cancel()
	u, err := url.Parse(target)
	if err != nil {
		return nil, "", 0, err
	}
	min := c.cfg.Min
	for range maxRedirects + 1 {
		h := &hop{client: c, network: network, min: min}
		resp, err := h.get(ctx, u)
		if err != nil {
			return nil, "", 0, err
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 399 || location == "" {
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				status = "HTTP status " + resp.Status
			}
			body, err = readBody(resp)
			return body, status, h.vouches(), err
		}
		resp.Body.Close()
		next, err := u.Parse(location)
		switch {
		case err != nil:
			return nil, "", 0, fmt.Errorf("redirect: %w", err)
		case next.Scheme != "https" && (next.Scheme != "http" || u.Scheme == "https"):
			return nil, "", 0, fmt.Errorf("redirect from %s to %s refused", u.Scheme, next.Scheme)
		}
		u, min = next, max(min, h.reached)
	}
	return nil, "", 0, fmt.Errorf("more than %d redirects", maxRedirects)
}

// hop is one request of a chain of redirects. Its connection is its own, never kept: a connection that the user's own word
// has opened must not serve a stranger's redirect.
type hop struct {
	client  *Client
	network string
	min     netx.Scope // the least public scope to contact
	reached netx.Scope // what was contacted, once get has returned

	unresolved bool // a proxy looked the name up: reached is the strictest guess
}

// vouches is the scope of the peers that the tracker may name. Behind a proxy its own is unknown: it may well serve the
// private network that the proxy belongs to.
func (h *hop) vouches() netx.Scope {
	if h.unresolved {
		return netx.Private
	}
	return h.reached
}

// get sends the request. The caller closes the response's body.
func (h *hop) get(ctx context.Context, u *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", h.client.cfg.UserAgent)
	req.Header.Set("Accept-Encoding", "gzip")
	proxy, err := h.client.cfg.Proxy(req)
	if err != nil {
		return nil, fmt.Errorf("proxy settings: %w", err)
	}
	dialer := &netx.GuardedDialer{Min: h.min, Source: h.client.cfg.Source}
	t := &http.Transport{
		DisableKeepAlives:      true,
		DisableCompression:     true, // readBody bounds what it unpacks
		MaxResponseHeaderBytes: 64 << 10,
		TLSHandshakeTimeout:    10 * time.Second,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, h.network, address)
			if err == nil && proxy == nil {
				h.reached = netx.ScopeOf(addrPort(conn.RemoteAddr()).Addr())
			}
			return conn, err
		},
	}
	if proxy != nil {
		if err := h.checkProxied(u); err != nil {
			return nil, err
		}
		// The user named the proxy, so it may be anywhere, and be reached over either family.
		dialer.Min, h.network, t.Proxy = netx.Forbidden, "tcp", http.ProxyURL(proxy)
	}
	resp, err := t.RoundTrip(req)
	var opErr *url.Error
	if errors.As(err, &opErr) {
		err = opErr.Err // its URL holds the whole query, and maybe a passkey
	}
	return resp, err
}

// checkProxied applies the rule for redirects to a request that a proxy will make, as far as the URL tells: names are the
// proxy's to resolve.
func (h *hop) checkProxied(u *url.URL) error {
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		h.reached, h.unresolved = netx.Public, true
		return nil
	}
	h.reached = netx.ScopeOf(a)
	return netx.CheckScope(a, h.min)
}

// readBody reads a response of at most announce.MaxResponse bytes, before and after decompression.
func readBody(resp *http.Response) ([]byte, error) {
	body, err := readAtMost(resp.Body)
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		return body, err
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("unpack the answer: %w", err)
	}
	return readAtMost(z)
}

func readAtMost(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, announce.MaxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > announce.MaxResponse {
		return nil, fmt.Errorf("the answer is larger than %d bytes: %w", announce.MaxResponse, announce.ErrTooLarge)
	}
	return body, nil
}
