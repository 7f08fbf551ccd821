package ringnode

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// The system records: sets in the ring itself, replicated and signed like any other, of which each member keeps a cache. Users'
// keys may not begin like theirs.
const (
	systemPrefix = "\x00eddy ring/"
	tokensKey    = systemPrefix + "tokens"  // tokenRecord
	revokedKey   = systemPrefix + "revoked" // ringwire.TokenID
	evictedKey   = systemPrefix + "evicted" // public key
)

var systemKeys = []string{tokensKey, revokedKey, evictedKey}

const (
	systemEvery  = time.Minute         // between two readings of the system records, if nobody says that they have changed
	systemFresh  = 2 * time.Second     // a cache so young decides on admission
	systemGrace  = 7 * 24 * time.Hour  // a token is remembered longer than it is good, so that its holder can be told why it is not
	evictedTime  = 2 * certificateTime // after it no certificate of the evicted host is valid any more
	kickPause    = 200 * time.Millisecond
	queueRetry   = 2 * time.Second // between attempts to write what the ring does not have yet
	systemAnswer = 3 * time.Second // for which a stranger's hello waits for the ring
)

// keepSystem keeps the cache of the system records, and writes what waits for a ring that can take it, until ctx ends.
func (n *Node) keepSystem(ctx context.Context) {
	select {
	case <-n.ready:
	case <-ctx.Done():
		return
	}
	for {
		pause := systemEvery/2 + rand.N(systemEvery)
		if !n.flushQueue(ctx) {
			pause = queueRetry
		}
		n.refresh(ctx)
		if !sleep(ctx, kickPause) { // members cannot have it read more often either
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-n.kicked:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// kickSystem has the system records read soon.
func (n *Node) kickSystem() {
	select {
	case n.kicked <- struct{}{}:
	default:
	}
}

// flushQueue writes to the ring what it does not have yet, and reports whether it has all.
func (n *Node) flushQueue(ctx context.Context) bool {
	all, err := n.store.queuedAll()
	if err != nil {
		n.log.Warn("cannot read the queue of system records", "err", err)
		return false
	}
	done := true
	for _, q := range all {
		ttl := time.Until(q.until) + systemGrace
		if ttl > 0 {
			if _, err := n.put(ctx, q.key, q.member, putOptions{ttl: ttl, set: true}); err != nil {
				n.log.Debug("the ring cannot take a system record yet", "err", err)
				done = false
				continue
			}
		}
		if err := n.store.unqueue(q.key, q.member); err != nil {
			n.log.Warn("cannot shorten the queue of system records", "err", err)
		}
	}
	return done
}

// freshSystem reads the system records, if that is not just done and the ring answers soon. Several who want to know share one reading.
func (n *Node) freshSystem(ctx context.Context) {
	if !n.isReady() {
		return
	}
	n.systemMu.Lock()
	defer n.systemMu.Unlock()
	if time.Since(n.systemRead) < systemFresh {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, systemAnswer)
	defer cancel()
	n.refreshLocked(ctx)
	n.systemRead = time.Now() // also when the ring did not answer: strangers cannot have it asked more often
}

// refresh reads the system records.
func (n *Node) refresh(ctx context.Context) {
	n.systemMu.Lock()
	defer n.systemMu.Unlock()
	n.refreshLocked(ctx)
}

func (n *Node) refreshLocked(ctx context.Context) {
	complete := true
	for _, key := range systemKeys {
		members, err := n.readSet(ctx, key)
		if err != nil {
			complete = false
			n.log.Debug("cannot read a system record", "key", strings.TrimPrefix(key, systemPrefix), "err", err)
			continue
		}
		for _, m := range members {
			n.takeSystem(key, m)
		}
	}
	if complete {
		n.systemRead = time.Now()
	}
}

// takeSystem takes one member of a system set into the cache.
func (n *Node) takeSystem(key string, member []byte) {
	switch key {
	case tokensKey:
		if t, err := parseTokenRecord(member); err == nil {
			n.trust.addToken(t)
		}
	case revokedKey:
		if len(member) == len(ringwire.TokenID{}) {
			n.trust.revoke(ringwire.TokenID(member))
		}
	case evictedKey:
		if len(member) == 32 {
			n.shutOut([32]byte(member))
		}
	}
}

// shutOut ends all business with an evicted host.
func (n *Node) shutOut(public [32]byte) {
	if n.trust.isEvicted(public) {
		return
	}
	n.trust.evict(public)
	h, _, known := n.hosts.find(public)
	n.log.Warn("a host was evicted", "key", hex.EncodeToString(public[:]), "known", known)
	switch {
	case !known:
	case h == self:
		n.evicted()
	default:
		n.links.closeHost(h, codeEvicted, errEvicted)
	}
}

// readSet reads all members of a set from a quorum; none when it does not exist.
func (n *Node) readSet(ctx context.Context, key string) ([][]byte, error) {
	r, err := n.operate(ctx, func(now time.Duration, op uint64, deadline time.Duration) {
		n.data.Get(now, op, replica.Get{Key: key, Deadline: deadline})
	})
	if err != nil {
		return nil, err
	}
	switch r.Status {
	case replica.NotFound:
		return nil, nil
	case replica.OK:
	default:
		return nil, statusError(key, r)
	}
	var out [][]byte
	for _, v := range r.Record.Live() {
		if v.Set {
			out = append(out, v.Value)
		}
	}
	return out, nil
}

// tell adds a member to a system set, and has the members look: at once if the ring can take it, else when it can.
func (n *Node) tell(ctx context.Context, key string, member []byte, until time.Time) error {
	if err := n.store.queue(key, member, until); err != nil {
		return &ringapi.Error{Code: ringapi.Failed, Message: "keeping a system record: " + err.Error()}
	}
	n.takeSystem(key, member)
	n.flushQueue(ctx)
	n.kickAll()
	n.kickSystem()
	return nil
}

// kickAll tells the members that this host is connected to that the system records have changed.
func (n *Node) kickAll() {
	for _, l := range n.links.open() {
		l.data.push(frameControl, func(_ *namer, b []byte) []byte { return append(b, controlKick, 0) })
	}
}
