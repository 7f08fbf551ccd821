package engine

import (
	"fmt"
	"net/netip"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// requestQueue is how many requests of a peer we keep, told to it as "reqq" (BEP 10).
const requestQueue = 2000

// introduce sends our extended handshake; t.mu is held.
func (t *Torrent) introduce(l *link) {
	h := wire.ExtHandshake{
		Client: t.e.cfg.ClientName, Port: t.e.Addr().Port(), Reqq: requestQueue,
		YourIP: l.addr.Addr(), MetadataSize: int64(len(t.spec.Meta.InfoBytes)),
		// Not UploadOnly (BEP 21), although we may be a seed: one that hands its pieces out one by one shows none at first, and
		// libtorrent leaves peers which have nothing and want nothing.
	}
	l.conn.Send(&wire.Message{Kind: wire.Extended, ExtID: 0, Payload: wire.AppendExtHandshake(nil, h)})
	t.touch(l)
}

// hear takes an extended message (BEP 10); t.mu is held. Extensions that we did not offer are ignored.
func (t *Torrent) hear(l *link, m *wire.Message) error {
	if m.ExtID != 0 {
		return nil
	}
	h, err := wire.ParseExtHandshake(m.Payload)
	if err != nil {
		return fmt.Errorf("extended handshake: %w", err)
	}
	if h.Client != "" {
		l.client = h.Client
	}
	if h.Reqq > 0 {
		t.sw.SetReqQ(l.id, h.Reqq)
	}
	if h.Port != 0 && !l.listens.IsValid() {
		listens := netip.AddrPortFrom(l.addr.Addr(), h.Port)
		if t.book.refuses(listens, l.peerID) {
			return errBanned
		}
		t.book.claim(listens)
		l.listens = listens
	}
	return nil
}
