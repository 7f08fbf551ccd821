package ringnode

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// "HostRate: bytes/s that one other member, or one client, may send us": all its connections together, and one that follows another.
func TestBudgetOfAllConnections(t *testing.T) {
	var b budgets
	first, users, done := b.open(hostBudget{1, false}, 1000)
	second, both, end := b.open(hostBudget{1, false}, 1000)
	other, _, _ := b.open(hostBudget{2, false}, 1000)
	if first != second || users != 1 || both != 2 || other == first {
		t.Errorf("one budget: %v, users %d, %d; another host has it too: %v", first == second, users, both, other == first)
	}
	if messages, _, _ := b.open(hostBudget{1, true}, 1000); messages == first {
		t.Error("ring messages take from the budget of the data")
	}
	done()
	end()
	if next, users, _ := b.open(hostBudget{1, false}, 1000); next != first || users != 1 {
		t.Errorf("a new connection at once is a new budget; %d users", users)
	}
}

// One program takes no more than its part of the connections for programs.
func TestConnectionsOfOneClient(t *testing.T) {
	l := start(t, Config{Replicas: 1, Handler: echoAccess})
	token, err := ringwire.ParseToken(l.Token())
	if err != nil {
		t.Fatal(err)
	}
	var end func()
	for range maxOfClient {
		_, _, end = l.budgets.open(clientBudget{token.ID(), site(l.Listen().Addr())}, l.cfg.HostRate)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second) // else it would try for 20 s
	defer cancel()
	c, err := Dial(short, l.Listen().String(), l.Token())
	if err == nil { // it was welcomed, and turned away then
		defer c.Close()
		<-c.conn.Context().Done()
		err = context.Cause(c.conn.Context())
	}
	var app *quic.ApplicationError
	if code(err) != ringapi.Busy && (!errors.As(err, &app) || app.ErrorCode != codeOverloaded) {
		t.Errorf("a connection too many: %v", err)
	}
	other, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accessBy(t, l, other.Token); err != nil {
		t.Errorf("another client: %v", err)
	}
	end()
	if _, err := accessBy(t, l, l.Token()); err != nil {
		t.Errorf("with a place free: %v", err)
	}
}

// A member that connects again and again has its last connections only.
func TestConnectionsOfOneMember(t *testing.T) {
	nodes := grow(t, 2, Config{Vnodes: 1, Replicas: 1})
	a, b := nodes[0], nodes[1]
	h, _, _ := a.hosts.find(b.papers().certificate.Public)
	for range 3 * maxOfHost {
		ctx, cancel := context.WithTimeout(t.Context(), helloTimeout)
		conn, _, _, _, err := b.dialMember(ctx, a.Listen())
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseWithError(codeDone, "")
	}
	eventually(t, "a member keeps all connections that it made", func() error {
		accepted := 0
		for _, l := range a.links.open() {
			if l.host == h && !l.dialled {
				accepted++
			}
		}
		if accepted == 0 || accepted > maxOfHost {
			return errors.New("too many, or none")
		}
		return nil
	})
}

// Those who want a check while one is under way share the next, and it goes on for as long as one of them wants it.
func TestChecksAreShared(t *testing.T) {
	l := start(t, Config{Replicas: 1, Vnodes: 1})
	l.checks.turn.Lock() // one is under way
	gone, leave := context.WithCancel(t.Context())
	const callers = 20
	errs := make(chan error, callers)
	for i := range callers {
		ctx := t.Context()
		if i == 0 {
			ctx = gone
		}
		go func() {
			c, err := l.Check(ctx)
			if err == nil && c.Hosts != 1 {
				err = errors.New("not a check of this ring")
			}
			errs <- err
		}()
	}
	wanted := func() int {
		l.checks.mu.Lock()
		defer l.checks.mu.Unlock()
		if l.checks.next == nil {
			return 0
		}
		return l.checks.next.callers
	}
	wait := func(count int) {
		eventually(t, "the callers do not share one check", func() error {
			if wanted() != count {
				return errors.New("not yet")
			}
			return nil
		})
	}
	wait(callers)
	leave()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	wait(callers - 1)
	l.checks.turn.Unlock()
	for range callers - 1 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	// Nobody wants it any more: the next caller does not get what was cancelled.
	l.checks.turn.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := l.Check(ctx)
		errs <- err
	}()
	wait(1)
	cancel()
	<-errs
	wait(0)
	l.checks.turn.Unlock()
	if _, err := l.Check(t.Context()); err != nil {
		t.Errorf("after one that nobody wanted: %v", err)
	}
}

// The first forged version of a record ends the work for it.
func TestForgedRecordCostsOneCheck(t *testing.T) {
	id := founder(t)
	v := newVerifier(newAdmission(t.TempDir(), id))
	r := &ringwire.Record{Key: "k"}
	for i := range 10 {
		x := ringwire.Version{Set: true, Member: ringwire.Digest{byte(i)}}
		x.Sig, x.Cert = v.Sign([]byte("something else"))
		r.Versions = append(r.Versions, x)
	}
	v.prepare(r)
	if len(v.young) != 1 {
		t.Errorf("%d signatures were checked, want 1", len(v.young))
	}
}

// What a host knows of others ends with their certificates, in the table that a start makes and in that on disk.
func TestKnownHostsEnd(t *testing.T) {
	nodes := grow(t, 2, Config{Vnodes: 1, Replicas: 1})
	l := nodes[1]
	cfg := l.cfg
	id := l.trust.identity()
	trust, p := member(t, &id)
	over := *p.certificate
	over.Expires = time.Now().Add(-time.Hour).Unix()
	over.Sign(id.ca())
	entry := hostEntry{certificate: &over, presence: ringwire.Presence{Incarnation: 1, Addr: mustAddr("127.0.0.1:9")}}
	entry.presence.Sign(id.ring(), trust.identity().key)
	_, other, _ := l.hosts.find(nodes[0].papers().certificate.Public)
	if err := l.store.stamp(l.now(), time.Now(), []hostEntry{entry, other, l.hosts.get(self)}); err != nil {
		t.Fatal(err)
	}
	l.stop(t)
	cfg.Token, cfg.Join = "", nil
	l = start(t, cfg)
	known, err := l.store.known()
	if err != nil {
		t.Fatal(err)
	}
	others := 0
	for _, k := range known {
		if k.certificate.Public == over.Public {
			t.Error("a host whose certificate is over is known for ever")
		}
		if k.certificate.Public == other.certificate.Public {
			others++
		}
	}
	if others != 1 {
		t.Errorf("the other member is known %d times", others)
	}
}

// A name that stands for several addresses is good as long as somebody answers at one of them.
func TestEveryAddressOfAName(t *testing.T) {
	addrs := []netip.AddrPort{mustAddr("192.0.2.1:1"), mustAddr("192.0.2.2:1"), mustAddr("192.0.2.3:1")}
	denied := &ringapi.Error{Code: ringapi.Denied, Message: "no"}
	silence := errors.New("nobody answers")
	for _, c := range []struct {
		name   string
		answer [3]error
		tried  int
		want   error
	}{
		{"the second answers", [3]error{silence, nil, silence}, 2, nil},
		{"the first refuses", [3]error{denied, nil, nil}, 1, denied},
		{"none answers", [3]error{silence, silence, silence}, 3, silence},
	} {
		tried := 0
		err := tryEach(t.Context(), addrs, time.Minute, func(ctx context.Context, _ netip.AddrPort) error {
			tried++
			return c.answer[tried-1]
		})
		if !errors.Is(err, c.want) || tried != c.tried {
			t.Errorf("%s: %v after %d, want %v after %d", c.name, err, tried, c.want, c.tried)
		}
	}
}

// A set has room for 1,000 members: the token that finds none is told of as such, and ended and revoked ones make room.
func TestTokensHaveRoom(t *testing.T) {
	l := start(t, Config{Replicas: 1, Vnodes: 1})
	stored := func() map[ringwire.TokenID]time.Duration {
		members, err := l.readSet(t.Context(), tokensKey)
		if err != nil {
			t.Fatal(err)
		}
		out := make(map[ringwire.TokenID]time.Duration)
		for _, m := range members {
			if r, err := parseTokenRecord(m); err == nil {
				out[r.id] = time.Until(time.Unix(r.expires, 0))
			}
		}
		return out
	}
	token, err := l.NewToken(t.Context(), time.Second, true)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an ended token keeps its place", func() error {
		for id, left := range stored() {
			if id.String() == token.ID && left < -time.Minute {
				t.Fatal("for ever")
			}
			if id.String() == token.ID {
				return errors.New("not yet")
			}
		}
		return nil
	})
	for range ringapi.MaxMembers {
		token, err = l.NewToken(t.Context(), time.Hour, true)
		if err != nil {
			break
		}
	}
	if code(err) != ringapi.TooLarge {
		t.Fatalf("a token too many: %v", err)
	}
	if q, err := l.store.queuedAll(); err != nil || len(q) != 0 {
		t.Errorf("%d system records wait in vain, %v", len(q), err)
	}
	var any ringwire.TokenID
	for id := range stored() {
		any = id
	}
	if err := l.RevokeToken(t.Context(), any.String()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a revoked token keeps its place", func() error {
		_, err := l.NewToken(t.Context(), time.Hour, true)
		return err
	})
}

// Who began a ring, but crashed before anybody could know of it, and joins another one, has nothing of which it could say that all else does not exist.
func TestJoinAfterABrokenBeginning(t *testing.T) {
	other := start(t, Config{Replicas: 1, Vnodes: 1})
	dir := t.TempDir()
	n, err := New(Config{Data: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.store.markFirst(); err != nil { // and there the crash is
		t.Fatal(err)
	}
	n.Close()
	n, err = New(Config{Data: dir, Listen: "127.0.0.1:0", Token: other.Token(), Join: []string{other.Listen().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.admit(t.Context()); err != nil { // and here the next one
		t.Fatal(err)
	}
	n.Close()
	if n, err = New(Config{Data: dir, Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.store.first {
		t.Error("it would deny what others have")
	}
}
