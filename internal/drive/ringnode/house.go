package ringnode

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// houseEvery is how often the node looks after itself.
const houseEvery = 5 * time.Second

// errEvicted ends connections with an evicted host, and a node that is one.
var errEvicted = errors.New("evicted from the ring")

// keepHouse does what is due now and then until ctx ends: connections nobody uses, the stamp of the time, room on the disk, the
// certificate's renewal, and the check of what must hold.
func (n *Node) keepHouse(ctx context.Context) {
	ticker := time.NewTicker(houseEvery)
	defer ticker.Stop()
	var stamped time.Time
	for {
		now := time.Now()
		if now.Sub(stamped) >= stampEvery {
			stamped = now
			changed := n.hosts.takeChanged()
			if err := n.store.stamp(n.now(), now, changed); err != nil {
				n.hosts.noteAgain(changed)
				n.log.Warn("cannot note the time", "err", err)
			}
			n.renewCertificate(now)
		}
		n.links.sweep(now)
		n.seeOut(now)
		n.watchDisk()
		n.checkInvariant()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// watchDisk refuses writes while there is little room, so that a full disk is hardly ever met by a transaction. One that met it, by a quota
// perhaps that the free space does not show, refuses them for a while too; then they are tried again.
func (n *Node) watchDisk() {
	free, err := freeSpace(n.cfg.Data)
	if err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	full := free < minSpace || time.Since(time.Unix(0, n.commits.noRoom.Load())) < houseEvery
	if full != n.full {
		n.full = full
		if full {
			n.log.Error("the disk is nearly full: writes are refused, reads go on", "free", free, "needed", minSpace)
		} else {
			n.log.Info("the disk has room again: writes are taken")
		}
	}
}

// ranOutOfRoom refuses writes from now on, since a transaction found no room: they would all fail.
func (n *Node) ranOutOfRoom() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.full {
		n.full = true
		n.log.Error("the disk is full: writes are refused, reads go on; make room and it goes on by itself")
	}
}

// renewCertificate gives the host's certificate another 90 days when its time is coming.
func (n *Node) renewCertificate(now time.Time) {
	renewed, err := n.trust.renew(now)
	if err != nil {
		n.log.Error("cannot renew the certificate", "err", err)
	}
	if renewed {
		id := n.trust.identity()
		n.hosts.put(id.certificate, n.papers().presence) // known host: the table has room
		n.log.Info("renewed the certificate", "until", time.Unix(id.certificate.Expires, 0))
	}
}

// checkInvariant counts what this host sees broken of what must always hold.
func (n *Node) checkInvariant() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken != nil || n.stopped {
		return
	}
	for _, err := range n.ring.Check() {
		n.counters.violations.Add(1)
		n.log.Error("the ring's invariant does not hold here", "err", err)
	}
}

// evicted ends the node: the ring does not want it.
func (n *Node) evicted() {
	select {
	case n.expelled <- struct{}{}:
	default:
	}
}

// rotate makes new secrets, keeps them, and hands them to the members that it can reach. It returns those that it could not. When another
// node did the same at the same time, and its secrets count, it says so.
func (n *Node) rotate(ctx context.Context) (missed []ringwire.Host, err error) {
	id := n.trust.identity()
	next, err := newSecrets(id.secrets, n.trust.caPublic())
	if err != nil {
		return nil, err
	}
	// Others first, by the old secrets' connections: who has adopted new ones cannot be dialled by who has not.
	var mu sync.Mutex
	n.eachHost(n.living(), func(h ringwire.Host) {
		if n.trust.isEvicted(n.hosts.get(h).certificate.Public) {
			return
		}
		if _, aerr := n.ask(ctx, h, controlRotate, func(_ *namer, b []byte) []byte { return next.Append(b) }); aerr != nil {
			mu.Lock()
			defer mu.Unlock()
			missed = append(missed, h)
		}
	})
	if err := n.adopt(next); err != nil {
		return missed, err
	}
	if n.trust.identity().secrets.Seed != next.Seed {
		return nil, errSuperseded
	}
	return missed, nil
}

// errSuperseded tells the user of a rotation that another one at the same time was the one that counts.
var errSuperseded = &ringapi.Error{Code: ringapi.Conflict, Message: "another node changed the ring's secrets at the same time, and those count",
	Hint: "use the token that it gave, or make one: eddy ring token new"}

// takeSecrets takes over secrets that a member hands on, and reports whether this host has them now. Who hands on others than it comes to have is
// told of those.
func (n *Node) takeSecrets(l *link, s *ringwire.Secrets) bool {
	if n.outcast(l.host) {
		return false
	}
	if err := n.adopt(s); err != nil {
		n.log.Error("cannot take over the ring's new secrets", "err", err)
		return false
	}
	own := n.trust.identity().secrets
	if own.Serial == s.Serial && own.Seed != s.Seed {
		n.handSecrets(l, own)
	}
	return own.Serial == s.Serial && own.Seed == s.Seed
}

// handSecrets tells a member of the secrets, and wants no answer: no question has the number 0.
func (n *Node) handSecrets(l *link, s *ringwire.Secrets) {
	l.data.push(frameControl, func(_ *namer, b []byte) []byte { return s.Append(append(b, controlRotate, 0)) })
}

// adopt joins new secrets to the present ones: on disk first, then in the table of hosts, whose papers all members sign anew alike. When two
// generations of one serial met here, which two nodes made at the same time, all that this host is connected to are told of what came out.
func (n *Node) adopt(s *ringwire.Secrets) error {
	n.adopting.Lock()
	defer n.adopting.Unlock()
	before := n.trust.identity().secrets
	adopted, err := n.trust.adopt(s, time.Now())
	if err != nil || !adopted {
		return err
	}
	id := n.trust.identity()
	if id.secrets.Seed != before.Seed {
		n.hosts.resign(func(public [32]byte) bool { return !n.trust.isEvicted(public) })
		n.log.Warn("the ring's secrets were changed", "generation", s.Serial)
	}
	n.hosts.put(id.certificate, n.papers().presence)
	n.verifier.forget()
	if s.Serial != before.Serial {
		return nil
	}
	n.log.Warn("two nodes changed the ring's secrets at the same time: the tokens of one of them are void", "replaced", id.secrets.Seed != before.Seed)
	for _, l := range n.links.open() {
		if !n.outcast(l.host) {
			n.handSecrets(l, id.secrets)
		}
	}
	return nil
}

// eachHost calls f for hosts, some at once.
func (n *Node) eachHost(hosts []ringwire.Host, f func(ringwire.Host)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, dialAtOnce)
	for _, h := range hosts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			defer n.recovered("asking a member", nil)
			f(h)
		})
	}
	wg.Wait()
}

// living are the other hosts that this one has reason to think alive.
func (n *Node) living() (out []ringwire.Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range ringwire.Host(n.hosts.len()) {
		if h != self && n.ring.Alive(h) {
			out = append(out, h)
		}
	}
	return out
}
