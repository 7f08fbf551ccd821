package upper

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// network returns the network of package net for a listen address: "udp" or "tcp" takes IPv4 and IPv6, as [::] and no
// address at all should; 0.0.0.0 means IPv4 only, which package net needs to be told.
func network(transport, address string) string {
	host, _, _ := net.SplitHostPort(address)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return transport + "4"
	}
	return transport
}

// A backoff is how long was waited after the last failure of a row of them; 0 = there was none.
type backoff time.Duration

// wait waits 5 ms, after each further failure twice as long, at most 1 s: what is short of memory or file descriptors
// recovers sooner when it is left alone, and a loop that only fails must not eat a processor.
func (b *backoff) wait(ctx context.Context) {
	*b = min(max(2**b, backoff(5*time.Millisecond)), backoff(time.Second))
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(*b)):
	}
}

// logger returns l, or the default where there is none.
func logger(l *slog.Logger) *slog.Logger { return cmp.Or(l, slog.Default()) }
