package ringnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Leave hands over everything, and ends the node. It returns when the node has left.
func (n *Node) Leave(ctx context.Context) error {
	if !n.isReady() {
		return errNotReady
	}
	if err := n.rest(ctx); err != nil {
		return err
	}
	began := false
	n.step("leaving the ring", func(now time.Duration) {
		began = true
		n.ring.Leave(now)
	})
	if !began {
		return n.state()
	}
	select {
	case <-n.gone:
		return nil
	case <-n.ended:
		select {
		case <-n.gone:
			return nil
		default:
			return &ringapi.Error{Code: ringapi.TooFew, Message: "the node stopped before everything was handed over"}
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rest waits until this host has synchronised what it answers for: others may count on it until then. It waits no longer than a ring takes to
// replace a host that vanishes.
func (n *Node) rest(ctx context.Context) error {
	end := time.NewTimer(cmp.Or(n.cfg.Absence, replica.DefaultAbsence))
	defer end.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		atRest := true
		n.step("coming to rest", func(time.Duration) { atRest = n.data.AtRest() })
		if atRest {
			return nil
		}
		select {
		case <-look.C:
		case <-end.C:
			n.log.Warn("leaving while arcs are not synchronised: the others may have to wait for each other")
			return nil
		case <-n.ended:
			return n.state()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// NewToken makes a token that admits members, or clients.
func (n *Node) NewToken(ctx context.Context, ttl time.Duration, client bool) (*ringapi.Token, error) {
	if !n.isReady() {
		return nil, errNotReady
	}
	role := ringwire.RoleMember
	if client {
		role = ringwire.RoleClient
	}
	if ttl == 0 {
		ttl = n.cfg.TokenTime
	}
	if ttl < time.Second {
		return nil, &ringapi.Error{Code: ringapi.Invalid, Message: "a token that is good for less than a second is good for nothing"}
	}
	t, err := n.makeToken(role, ttl)
	if err != nil {
		return nil, &ringapi.Error{Code: ringapi.Failed, Message: err.Error()}
	}
	// Who gets the token may show it to any member at once, and each asks the ring before it turns it away.
	switch err := n.publish(ctx); {
	case err == nil:
	case errors.Is(err, errTokensFull):
		if err := n.withdraw(t.ID()); err != nil {
			return nil, &ringapi.Error{Code: ringapi.Failed, Message: err.Error()}
		}
		return nil, err
	default:
		n.log.Warn("the ring does not have the new token's record yet: until it does, only this node lets in by it", "token", t.ID(), "err", err)
	}
	n.kickAll()
	n.kickSystem()
	return &ringapi.Token{ID: t.ID().String(), Token: t.String(), Expires: time.Unix(t.Expires, 0).UTC()}, nil
}

// RevokeToken makes a token useless.
func (n *Node) RevokeToken(ctx context.Context, id string) error {
	if !n.isReady() {
		return errNotReady
	}
	token, err := ringwire.ParseTokenID(id)
	if err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	record, v := n.trust.judge(token, time.Now())
	certain := true
	if v == unknown {
		certain = n.makeSure(ctx)
		record, v = n.trust.judge(token, time.Now())
	}
	switch {
	case v == unknown && !certain:
		return &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("too few of the nodes that know the token %s answer", id), Hint: "try again in a moment"}
	case v == unknown:
		return &ringapi.Error{Code: ringapi.NotFound, Message: fmt.Sprintf("no token has the ID %s", id)}
	}
	if err := n.tell(ctx, revokedKey, token[:], time.Unix(record.expires, 0)); err != nil {
		return err
	}
	// Its place in the set of tokens is free for another. That this fails does no harm: it ends with the token's time.
	if _, err := n.put(ctx, tokensKey, record.append(nil), putOptions{ttl: time.Second, set: true}); err != nil {
		n.log.Debug("the record of a revoked token stays until it ends", "token", id, "err", err)
	}
	return nil
}

// errTokensFull tells the user that the set of tokens takes no more.
var errTokensFull = &ringapi.Error{Code: ringapi.TooLarge, Message: fmt.Sprintf("the ring has %d tokens, and no room for more", ringapi.MaxMembers),
	Hint: "revoke those that nobody needs (eddy ring token revoke ID), or wait until some end; give new ones a shorter --ttl"}

// withdraw forgets a token that nobody has got.
func (n *Node) withdraw(id ringwire.TokenID) error {
	record, _ := n.trust.judge(id, time.Now())
	if err := n.store.unqueue(tokensKey, record.append(nil)); err != nil {
		return fmt.Errorf("forgetting a token's record: %w", err)
	}
	n.trust.removeToken(id)
	return nil
}

// Evict makes this node refuse another from now on, and all members as they hear of it: at once, or when they read the system records next.
func (n *Node) Evict(ctx context.Context, node string) error {
	if !n.isReady() {
		return errNotReady
	}
	hosts := n.called(node)
	if len(hosts) == 0 {
		return &ringapi.Error{Code: ringapi.NotFound, Message: fmt.Sprintf("no node %s is known here", node), Hint: "use an ID or address that eddy ring check shows"}
	}
	if slices.Contains(hosts, self) {
		return &ringapi.Error{Code: ringapi.Invalid, Message: "a node cannot evict itself", Hint: "ask another node, or use leave"}
	}
	for _, h := range hosts {
		public := n.hosts.get(h).certificate.Public
		if err := n.tell(ctx, evictedKey, public[:], time.Now().Add(evictedTime)); err != nil {
			return err
		}
	}
	return nil
}

// called are the hosts that people call so. An address may have been that of several, one after the other: those count that are there.
func (n *Node) called(text string) (hosts []ringwire.Host) {
	living := append(n.living(), self)
	for h := range ringwire.Host(n.hosts.len()) {
		if e := n.hosts.get(h); n.named(h, &e, text) {
			hosts = append(hosts, h)
		}
	}
	there := slices.DeleteFunc(slices.Clone(hosts), func(h ringwire.Host) bool { return !slices.Contains(living, h) })
	if len(there) > 0 {
		return there
	}
	return hosts
}

// named reports whether text is an ID or the address of a host.
func (n *Node) named(h ringwire.Host, e *hostEntry, text string) bool {
	if e.presence.Addr.String() == text {
		return true
	}
	for _, id := range n.hosts.Positions(h) {
		if n.space.Format(id) == text {
			return true
		}
	}
	return false
}

// Rotate replaces the ring's secrets. Members that cannot be reached now need the new token to come back; they keep ID and data.
func (n *Node) Rotate(ctx context.Context) (*ringapi.Token, error) {
	if !n.isReady() {
		return nil, errNotReady
	}
	missed, err := n.rotate(ctx)
	if errors.Is(err, errSuperseded) {
		return nil, err
	}
	if err != nil {
		return nil, &ringapi.Error{Code: ringapi.Failed, Message: "changing the secrets: " + err.Error()}
	}
	for _, h := range missed {
		n.log.Warn("a member did not get the new secrets: start it with --join and the new token", "id", n.hostID(h), "addr", n.hosts.addr(h))
	}
	return n.NewToken(ctx, 0, false)
}
