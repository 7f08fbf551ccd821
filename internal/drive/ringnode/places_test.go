package ringnode

import (
	"net"
	"testing"
	"time"
)

// A ring of nodes with IPv6 addresses.
func TestIPv6(t *testing.T) {
	if c, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here:", err)
	} else {
		c.Close()
	}
	nodes := grow(t, 3, Config{Listen: "[::1]:0", Vnodes: 2, Handler: echoAccess})
	if a := nodes[1].Addr().Addr(); !a.Is6() || !a.IsLoopback() {
		t.Errorf("told to others: %v", a)
	}
	putAll(t, nodes, 5)
	getAll(t, nodes, 5)
	whole(t, nodes[2], 3)
	if got, err := accessBy(t, nodes[1], nodes[0].Token()); err != nil || got != "2" {
		t.Errorf("access: %q, %v", got, err)
	}
}

// "A node that comes back, at another address too, keeps its ID and data" (issue 4, What a user can do, 1): at another IP, which the others have to
// be told, and for its own connections too.
func TestAnotherIP(t *testing.T) {
	nodes := grow(t, 3, Config{Listen: "127.0.0.1:0", Vnodes: 2})
	putAll(t, nodes, 5)
	whole(t, nodes[0], 3)
	id := nodes[1].ID()
	nodes[1].stop(t)
	c, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this machine has no second address:", err)
	}
	c.Close()
	cfg := nodes[1].cfg
	cfg.Listen, cfg.Join, cfg.Token = "127.0.0.2:0", nil, ""
	back := start(t, cfg)
	if back.ID() != id || back.Addr().Addr().String() != "127.0.0.2" {
		t.Errorf("came back as %s at %v", back.ID(), back.Addr())
	}
	all := []*live{nodes[0], back, nodes[2]}
	whole(t, nodes[0], 3)
	getAll(t, all, 5)
	public := back.papers().certificate.Public
	for _, l := range []*live{nodes[0], nodes[2]} {
		eventually(t, "a member looks for it at the old address", func() error {
			if _, e, known := l.hosts.find(public); !known || e.presence.Addr != back.Addr() {
				return errNotReady
			}
			return nil
		})
	}
}

// "a 90-day certificate renewable at any member" (issue 4, Admission): a member, which holds the CA, renews its own in time, and the others come to
// know it before the old one ends.
func TestRenewal(t *testing.T) {
	nodes := grow(t, 3, Config{Vnodes: 2})
	whole(t, nodes[0], 3)
	before := nodes[1].papers().certificate
	nodes[1].renewCertificate(time.Now().Add(certificateTime - renewBefore - time.Hour))
	if nodes[1].papers().certificate != before {
		t.Error("renewed before its time is coming")
	}
	nodes[1].renewCertificate(time.Now().Add(certificateTime - renewBefore + time.Hour))
	after := nodes[1].papers().certificate
	if after.Expires <= before.Expires || after.Nonce != before.Nonce || after.Public != before.Public {
		t.Fatalf("renewed: %+v, was %+v", after, before)
	}
	for _, l := range []*live{nodes[0], nodes[2]} {
		eventually(t, "a member knows the old certificate only", func() error {
			if _, e, _ := l.hosts.find(after.Public); e.certificate.Expires != after.Expires {
				return errNotReady
			}
			return nil
		})
	}
	// It is on disk, and the host is still the same one in the same places.
	nodes[1].stop(t)
	cfg := nodes[1].cfg
	cfg.Join, cfg.Token = nil, ""
	back := start(t, cfg)
	if got := back.papers().certificate.Expires; got != after.Expires || back.ID() != nodes[1].ID() {
		t.Errorf("started again with a certificate until %d, want %d", got, after.Expires)
	}
	whole(t, nodes[0], 3)
}
