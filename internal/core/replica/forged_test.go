package replica

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestForged: "forged means attributed to another writer": any member may pass on or write anything in its own name, nothing in another's.
func TestForged(t *testing.T) {
	n := newNet()
	for pos := range uint64(3) {
		n.add(10 + 80*pos).start()
	}
	n.run(20 * time.Second)
	one, two := n.hosts[0], n.hosts[1]
	made := func(by, signs *host, epoch uint32, counter uint64, seen ...ringwire.Dot) ringwire.Version {
		v := ringwire.Version{Dot: ringwire.Dot{Writer: writer(by.id), Epoch: epoch, Counter: counter}, Context: seen, Value: []byte("x"), Hash: hash([]byte("x"))}
		_, v.Cert = by.Sign(nil)
		v.Sig, _ = signs.Sign(v.SignedBytes(nil, ringwire.RingID{1}, "film"))
		return v
	}
	altered := made(n.hosts[2], n.hosts[2], 1, 1)
	altered.TTL, altered.Left = time.Second, time.Second
	for _, c := range []struct {
		name    string
		v       ringwire.Version
		refused bool
	}{
		{"signed by another", made(n.hosts[2], two, 1, 1), true},
		{"with another lifetime than was signed", altered, true},
		{"in the receiver's name, though it never wrote that", made(one, one, 1, 99), true},
		{"has seen what the receiver never wrote", made(two, two, 1, 1, ringwire.Dot{Writer: writer(one.id), Epoch: 1, Counter: 99}), true},
		{"has seen an epoch of the receiver that is to come", made(two, two, 1, 1, ringwire.Dot{Writer: writer(one.id), Epoch: 2}), true},
		{"a third host's, passed on", made(n.hosts[2], n.hosts[2], 1, 1), false},
	} {
		before := one.r.Stats().Forged
		one.r.Receive(n.now, two.id, &ringwire.Data{Kind: ringwire.DataWrite, Op: 1, Record: &ringwire.Record{Key: "film", Versions: []ringwire.Version{c.v}}})
		one.drain()
		n.run(5 * time.Millisecond)
		if refused := one.r.Stats().Forged > before; refused != c.refused || (one.disk["film"] == nil) != c.refused {
			t.Errorf("%s: refused %v, on disk %s", c.name, refused, text(one.disk["film"]))
		}
	}
}
