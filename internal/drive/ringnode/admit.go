package ringnode

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// joinPatience is how long a newcomer goes on asking members that cannot be reached: those of a cluster start together.
const joinPatience = 30 * time.Second

// admit makes the host a member by right: of a ring that it begins, by a token, or because it is one already.
func (n *Node) admit(ctx context.Context) error {
	id := n.id
	switch {
	case id.member():
		return n.returning(ctx)
	case len(n.cfg.Join) == 0:
		return n.foundRing()
	case n.cfg.Token == "":
		return &ringapi.Error{Code: ringapi.Denied, Message: "joining a ring needs its token", Hint: "any member makes one: eddy ring token new"}
	}
	return n.joinByToken(ctx)
}

// foundRing begins a new ring, and makes the token that admits others.
func (n *Node) foundRing() error {
	p, err := n.cfg.parameters()
	if err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	if err := n.cfg.agrees(p); err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	count, explicit, err := n.cfg.positions(p)
	if err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	n.id.found(p, count, explicit, time.Now())
	if err := n.store.markFirst(); err != nil {
		return fmt.Errorf("beginning a ring: %w", err)
	}
	if err := n.id.save(n.cfg.Data); err != nil {
		return err
	}
	n.first, n.trust = true, newAdmission(n.cfg.Data, n.id)
	token, err := n.makeToken(ringwire.RoleMember, n.cfg.TokenTime)
	if err != nil {
		return err
	}
	n.token = token.String()
	return nil
}

// makeToken makes a token and keeps its record until the ring has it.
func (n *Node) makeToken(role ringwire.Role, ttl time.Duration) (ringwire.Token, error) {
	var secret [16]byte
	rand.Read(secret[:])
	expires := time.Now().Add(ttl)
	token, record := n.trust.newToken(role, secret, expires)
	if err := n.store.queue(tokensKey, record.append(nil), expires); err != nil {
		return token, fmt.Errorf("keeping a token's record: %w", err)
	}
	n.trust.addToken(record)
	return token, nil
}

// returning resumes the membership of an earlier run. A token of later secrets, after a rotation, is used to get them.
func (n *Node) returning(ctx context.Context) error {
	n.wasMember, n.first = true, n.store.first
	n.trust = newAdmission(n.cfg.Data, n.id)
	if err := n.cfg.agrees(n.id.parameters); err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	if n.cfg.Token != "" && len(n.cfg.Join) > 0 {
		t, err := ringwire.ParseToken(n.cfg.Token)
		if err != nil {
			return &ringapi.Error{Code: ringapi.Denied, Message: err.Error()}
		}
		if t.CA != ringwire.CAHash(n.trust.public) {
			return n.joinByToken(ctx)
		}
	}
	if _, err := n.trust.renew(time.Now()); err != nil {
		return err
	}
	return nil
}

// joinByToken asks the members of Config.Join, in turn, to be admitted.
func (n *Node) joinByToken(ctx context.Context) error {
	token, err := ringwire.ParseToken(n.cfg.Token)
	if err != nil {
		return &ringapi.Error{Code: ringapi.Denied, Message: err.Error(), Hint: "any member makes one: eddy ring token new"}
	}
	deadline := time.Now().Add(joinPatience)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 3*time.Second) {
		for _, at := range n.cfg.Join {
			if err = n.joinAt(ctx, at, token); err == nil {
				return nil
			}
			var refused *ringapi.Error
			if errors.As(err, &refused) && refused.Code != ringapi.TooFew && refused.Code != ringapi.Busy {
				return err
			}
			n.log.Debug("cannot join", "at", at, "err", err)
		}
		if time.Now().After(deadline) {
			return &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("joining the ring: %v", err),
				Hint: "is a node running there, and does a firewall let UDP pass?"}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// joinAt asks one member to be admitted.
func (n *Node) joinAt(ctx context.Context, at string, token ringwire.Token) error {
	return eachAddr(ctx, at, helloTimeout, func(ctx context.Context, addr netip.AddrPort) error { return n.joinAddr(ctx, addr, token) })
}

// joinAddr is joinAt for one address.
func (n *Node) joinAddr(ctx context.Context, addr netip.AddrPort, token ringwire.Token) error {
	// The width of the positions, which is needed to say where a given ID is, comes with the welcome: so such a host says what it wants in the
	// width that it was told by its user.
	wanted := ringwire.Parameters{Bits: n.cfg.Bits}
	if wanted.Bits == 0 {
		wanted.Bits = ringwire.MaxBits
	}
	if n.cfg.ID != nil && n.cfg.Bits == 0 {
		return &ringapi.Error{Code: ringapi.Invalid, Message: "an ID needs the ring's number of bits", Hint: "use --bits as the first node did"}
	}
	count, explicit, err := n.cfg.positions(wanted)
	if err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	conn, _, h, err := greetAt(ctx, n.transport, addr)
	if err != nil {
		return err
	}
	defer conn.CloseWithError(codeDone, "")
	sponsor, w, err := h.dialToken(token, n.id.key, ringwire.Join{Role: ringwire.RoleMember, Positions: count, Explicit: explicit, Old: n.id.certificate})
	if err != nil {
		return refusedBy(addr, closeReason(conn, err))
	}
	// After a rotation the CA is another one and the ring the same. Another ring's records must not come into this one by a directory.
	if n.id.member() && w.Certificate.Ring != n.id.ring() {
		return &ringapi.Error{Code: ringapi.Invalid, Message: "the data there belong to another ring than the token",
			Hint: "give each ring its own --data; without --join and --token the node comes back to its own ring"}
	}
	if err := n.cfg.agrees(w.Parameters); err != nil {
		return &ringapi.Error{Code: ringapi.Invalid, Message: err.Error()}
	}
	if n.store.first && !n.id.member() { // a ring was begun here, and nobody knows of it
		if err := n.store.unmarkFirst(); err != nil {
			return fmt.Errorf("joining a ring: %w", err)
		}
	}
	next := *n.id
	next.certificate, next.secrets, next.parameters = w.Certificate, w.Secrets, w.Parameters
	if err := next.save(n.cfg.Data); err != nil {
		return err
	}
	*n.id = next
	n.trust = newAdmission(n.cfg.Data, n.id)
	n.sponsors = append(n.sponsors, sponsor)
	return nil
}

// undecidedError is a refusal for the time being: it is worth to ask again.
type undecidedError struct{ api *ringapi.Error }

func (e undecidedError) Error() string { return e.api.Error() }
func (e undecidedError) Unwrap() error { return e.api }

// refusedBy says in the user's terms why a node turned us away.
func refusedBy(addr netip.AddrPort, err error) error {
	var app *quic.ApplicationError
	var own *refusal
	switch {
	case errors.As(err, &own) && !errors.As(err, &app) && own.code == codeStale:
		return &ringapi.Error{Code: ringapi.Denied, Message: fmt.Sprintf("%v: the ring's secrets were changed since the token was made: it is void", addr),
			Hint: "any member makes a new one: eddy ring token new"}
	case errors.As(err, &own) && !errors.As(err, &app):
		return &ringapi.Error{Code: ringapi.Denied, Message: fmt.Sprintf("%v is not a node of the ring that the token is for: %s", addr, own.why),
			Hint: "check the address, and that the token is this ring's"}
	case !errors.As(err, &app):
		return fmt.Errorf("%v: %w", addr, err)
	}
	e := &ringapi.Error{Code: ringapi.Denied, Hint: "any member makes a token: eddy ring token new"}
	switch app.ErrorCode {
	case codeExpired:
		e.Message = fmt.Sprintf("%v: the token has expired", addr)
	case codeRevoked:
		e.Message = fmt.Sprintf("%v: the token was revoked", addr)
	case codeEvicted:
		e.Message, e.Hint = fmt.Sprintf("%v: this node was evicted from the ring", addr), "remove its data directory to join as a new node"
	case codeStale:
		e.Message = fmt.Sprintf("%v: the ring's secrets were changed while this node was away", addr)
		e.Hint = "start it with --join and a new token; it keeps its ID and data"
	case codeOverloaded:
		return undecidedError{&ringapi.Error{Code: ringapi.Busy, Message: fmt.Sprintf("%v has too many connections", addr), Hint: "try again, or another node"}}
	case codeParameters:
		e.Code, e.Message, e.Hint = ringapi.Invalid, fmt.Sprintf("%v: the ring does not allow this", addr), "a client's token makes no members, and IDs are given only in rings with fewer bits"
	case codeUndecided:
		return undecidedError{&ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("%v cannot tell yet whether the token is good", addr),
			Hint: "too few of the nodes that know it answer; try again in a moment, or at the node that made the token"}}
	case codeRefused:
		e.Message = fmt.Sprintf("%v does not know the token", addr)
	default:
		return fmt.Errorf("%v: %w", addr, err)
	}
	return e
}

// eachAddr calls try for the addresses of HOST:PORT, as tryEach does.
func eachAddr(ctx context.Context, hostport string, patience time.Duration, try func(context.Context, netip.AddrPort) error) error {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addrs, err := resolve(short, hostport)
	if err != nil {
		return err
	}
	return tryEach(ctx, addrs, patience, try)
}

// tryEach calls try for some addresses, with so much time for each, until one answers: with success, or with a word to the user.
func tryEach(ctx context.Context, addrs []netip.AddrPort, patience time.Duration, try func(context.Context, netip.AddrPort) error) (err error) {
	for _, addr := range addrs {
		short, cancel := context.WithTimeout(ctx, patience)
		err = try(short, addr)
		cancel()
		var answer *ringapi.Error
		var app *quic.ApplicationError
		if err == nil || errors.As(err, &answer) || errors.As(err, &app) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// resolve finds the addresses of HOST:PORT.
func resolve(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, &ringapi.Error{Code: ringapi.Invalid, Message: fmt.Sprintf("%q is not HOST:PORT", hostport)}
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, &ringapi.Error{Code: ringapi.Invalid, Message: fmt.Sprintf("%q is not HOST:PORT", hostport)}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(number))
	}
	return addrs, nil
}

// askSponsors asks who answers at Config.Join, for a host that was a member before: should all that it knew have moved, these help.
// Nobody there is no error.
func (n *Node) askSponsors(ctx context.Context) error {
	for _, at := range n.cfg.Join {
		var asked netip.AddrPort
		err := eachAddr(ctx, at, helloTimeout/2, func(ctx context.Context, addr netip.AddrPort) error {
			asked = addr
			conn, _, _, who, err := n.dialMember(ctx, addr)
			if err == nil {
				conn.CloseWithError(codeDone, "")
				n.sponsors = append(n.sponsors, who)
			}
			return err
		})
		var app *quic.ApplicationError
		if errors.As(err, &app) && (app.ErrorCode == codeStale || app.ErrorCode == codeEvicted || app.ErrorCode == codeRefused) {
			n.log.Warn("a member does not let this node in", "err", refusedBy(asked, err))
		} else if err != nil {
			n.log.Debug("nobody answers", "at", at, "err", err)
		}
	}
	return nil
}

// localAddr is the IP from which packets to a member go out; without any, one of this machine.
func (n *Node) localAddr() netip.Addr {
	peers := slices.Clone(n.sponsors)
	if known, err := n.store.known(); err == nil {
		peers = append(peers, known...)
	}
	for _, p := range peers {
		if c, err := net.Dial("udp", p.presence.Addr.String()); err == nil { // sends nothing
			ip := addrPort(c.LocalAddr()).Addr()
			c.Close()
			return ip
		}
	}
	list, _ := net.InterfaceAddrs()
	best := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, a := range list {
		prefix, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(prefix.IP)
		if ip = ip.Unmap(); ip.IsGlobalUnicast() && (best.IsLoopback() || ip.Is4() && !best.Is4()) {
			best = ip
		}
	}
	return best
}
