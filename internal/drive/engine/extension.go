package engine

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// requestQueue is how many requests of a peer we keep, told to it as "reqq" (BEP 10).
const requestQueue = 2000

// introduce sends our extended handshake; t.mu is held.
func (t *Torrent) introduce(l *link) {
	h := wire.ExtHandshake{
		Client: t.e.cfg.ClientName, Port: t.e.Addr().Port(), Reqq: requestQueue,
		YourIP: l.addr.Addr(), MetadataSize: int64(len(t.meta.InfoBytes)),
		UploadOnly: t.sw.Complete(), // BEP 21: a seed that hands out its pieces one by one does not look like one
	}
	l.conn.Send(&wire.Message{Kind: wire.Extended, ExtID: 0, Payload: wire.AppendExtHandshake(nil, h)})
	l.conn.Flush()
}

// hear takes an extended message (BEP 10); t.mu is held. Extensions that we did not offer are ignored.
func (t *Torrent) hear(now time.Duration, l *link, m *wire.Message) error {
	if m.ExtID != 0 {
		return nil
	}
	h, err := wire.ParseExtHandshake(m.Payload)
	if err != nil {
		return fmt.Errorf("extended handshake: %w", err)
	}
	l.client = h.Client
	if h.UploadOnly {
		l.giver = true
	}
	if h.Reqq > 0 {
		t.sw.SetReqQ(l.id, h.Reqq)
	}
	if h.Port != 0 && !l.listens.IsValid() {
		l.listens = netip.AddrPortFrom(l.addr.Addr(), h.Port)
		if t.book.refuses(l.listens, l.peerID) {
			return errBanned
		}
		t.book.claim(l.listens)
	}
	return nil
}
