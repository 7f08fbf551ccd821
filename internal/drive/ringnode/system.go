package ringnode

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
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

// systemKeys are all of them, in the order in which the cache takes them in.
var systemKeys = [...]string{revokedKey, evictedKey, tokensKey}

const (
	systemEvery   = time.Minute         // between two readings of the system records, if nobody says that they have changed
	systemGrace   = 7 * 24 * time.Hour  // a token is remembered by who knew it longer than it is good, so that its holder can be told why it is not
	evictedTime   = 2 * certificateTime // after it no certificate of the evicted host is valid any more
	kickPause     = 200 * time.Millisecond
	queueRetry    = time.Second     // between attempts to write what the ring does not have yet
	publishTime   = 5 * time.Second // for which who makes a token waits until the ring has its record
	informTime    = 5 * time.Second // for which a host waits to be told of tokens before it is ready
	maxInformants = 3               // whom it asks
	setOverhead   = 300             // bytes of a set's member beside its value: its signature and certificate
)

// keepSystem keeps the cache of the system records, and writes what waits for a ring that can take it, until ctx ends.
func (n *Node) keepSystem(ctx context.Context) {
	all, err := n.store.queuedAll()
	if err != nil {
		n.log.Warn("cannot read the queue of system records", "err", err)
	}
	for _, q := range all {
		n.takeSystem(q.key, q.member)
	}
	select {
	case <-n.ready:
	case <-ctx.Done():
		return
	}
	n.inform(ctx)
	for {
		pause := systemEvery/2 + rand.N(systemEvery)
		if n.flushQueue(ctx) != nil {
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

// publish has the ring take what waits in the queue, within bounds; an error says why it has not.
func (n *Node) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	return n.flushQueue(ctx)
}

// inform has this host know of tokens and evicted hosts what others know, before it says that it is ready: who was let in somewhere by a token
// a moment ago may come here next. The member that admitted it knows that token for certain, and tells what the ring cannot have on
// record yet; where nobody tells, the ring is asked. It does not wait for long: what is not known now is made sure of when it matters.
func (n *Node) inform(ctx context.Context) {
	defer close(n.informed)
	ctx, cancel := context.WithTimeout(ctx, informTime)
	defer cancel()
	n.flushQueue(ctx)
	var ask []ringwire.Host
	for _, p := range n.sponsors {
		if h, _, known := n.hosts.find(p.certificate.Public); known && h != self {
			ask = append(ask, h)
		}
	}
	if len(ask) == 0 {
		ask = n.living()
	}
	for _, h := range ask[:min(len(ask), maxInformants)] {
		r, err := n.ask(ctx, h, controlSystem, func(_ *namer, b []byte) []byte { return b })
		if err != nil {
			n.log.Debug("a member does not tell what it knows of tokens", "addr", n.hosts.addr(h), "err", err)
			continue
		}
		n.takeKnown(r.system)
		return
	}
	n.refresh(ctx)
}

// takeKnown takes into the cache what another member has in its own.
func (n *Node) takeKnown(k *systemCache) {
	for i, key := range systemKeys {
		for _, m := range k.members[i] {
			n.takeSystem(key, m)
		}
	}
}

// kickSystem has the system records read soon.
func (n *Node) kickSystem() {
	select {
	case n.kicked <- struct{}{}:
	default:
	}
}

// flushQueue writes to the ring what it does not have yet; an error says why it does not have all. A token leaves its place in the set when its
// time is over: what members remember of it longer is in their caches.
func (n *Node) flushQueue(ctx context.Context) (failed error) {
	all, err := n.store.queuedAll()
	if err != nil {
		n.log.Warn("cannot read the queue of system records", "err", err)
		return err
	}
	if err := n.enoughToWrite(); len(all) > 0 && err != nil {
		return err // none of them can be written
	}
	for _, q := range all {
		ttl := time.Until(q.until)
		if q.key != tokensKey {
			ttl += systemGrace
		}
		if ttl > 0 {
			if _, err := n.put(ctx, q.key, q.member, putOptions{ttl: ttl, set: true}); err != nil {
				n.log.Debug("the ring cannot take a system record yet", "err", err)
				var known *ringapi.Error
				if q.key == tokensKey && errors.As(err, &known) && known.Code == ringapi.TooLarge {
					err = errTokensFull
				}
				failed = err
				continue
			}
		}
		if err := n.store.unqueue(q.key, q.member); err != nil {
			n.log.Warn("cannot shorten the queue of system records", "err", err)
		}
	}
	return failed
}

// refresh reads the system records into the cache, and reports how many bytes they have and whether all could be read. What was revoked
// goes in before the tokens: none works in between, and none comes in while it is not known whether it was revoked.
func (n *Node) refresh(ctx context.Context) (size int, complete bool) {
	if n.enoughToRead() != nil {
		return 0, false
	}
	n.systemMu.Lock()
	defer n.systemMu.Unlock()
	n.trust.prune(time.Now())
	var sets [len(systemKeys)][][]byte
	var errs [len(systemKeys)]error
	var wg sync.WaitGroup
	for i, key := range systemKeys {
		wg.Go(func() {
			defer n.recovered("reading a system record", nil)
			errs[i] = errNotReady
			sets[i], errs[i] = n.readSet(ctx, key)
		})
	}
	wg.Wait()
	complete = true
	for i, key := range systemKeys {
		if errs[i] != nil {
			complete = false
			n.log.Debug("cannot read a system record", "key", strings.TrimPrefix(key, systemPrefix), "err", errs[i])
		}
		if key == tokensKey && !complete {
			break
		}
		for _, m := range sets[i] {
			size += len(m) + setOverhead
			n.takeSystem(key, m)
		}
	}
	return size, complete
}

// takeSystem takes one member of a system set into the cache.
func (n *Node) takeSystem(key string, member []byte) {
	switch key {
	case tokensKey:
		if t, err := parseTokenRecord(member); err == nil && time.Since(time.Unix(t.expires, 0)) < systemGrace {
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
