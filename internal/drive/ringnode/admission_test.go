package ringnode

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// echoAccess is a handler that says what a request may do.
func echoAccess(*Node) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, AccessOf(r.Context())) }), nil
}

// httpGet returns what a handler behind dial answers.
func httpGet(t *testing.T, dial func(context.Context) (net.Conn, error), url, bearer string) string {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// accessBy connects with a token and returns what requests may do then.
func accessBy(t *testing.T, l *live, token string) (string, error) {
	t.Helper()
	c, err := Dial(t.Context(), l.Listen().String(), token)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return httpGet(t, c.Stream, "http://ring/", ""), nil
}

// "Clients get a client certificate for data operations only" (issue 4, Admission): what a token allows is what its requests may do.
func TestAccess(t *testing.T) {
	l := start(t, Config{Replicas: 1, Handler: echoAccess, API: "127.0.0.1:0", Secret: "of this run"})
	client, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]Access{l.Token(): AccessAdmin, client.Token: AccessData} {
		got, err := accessBy(t, l, token)
		if err != nil || got != fmt.Sprint(int(want)) {
			t.Errorf("access over QUIC: %q, %v; want %d", got, err, want)
		}
	}
	tcp := func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.APIAddr().String())
	}
	other := ringwire.Token{Role: ringwire.RoleMember, Expires: time.Now().Add(time.Hour).Unix()}
	for bearer, want := range map[string]Access{"": AccessNone, "nonsense": AccessNone, other.String(): AccessNone, "of this run": AccessAdmin,
		l.Token(): AccessAdmin, client.Token: AccessData} {
		if got := httpGet(t, tcp, "http://ring/", bearer); got != fmt.Sprint(int(want)) {
			t.Errorf("access by %.20q over TCP: %s, want %d", bearer, got, want)
		}
	}
	if err := l.RevokeToken(t.Context(), client.ID); err != nil {
		t.Fatal(err)
	}
	if got := httpGet(t, tcp, "http://ring/", client.Token); got != fmt.Sprint(int(AccessNone)) {
		t.Errorf("access by a revoked token over TCP: %s", got)
	}
}

// Tokens that are of no use, each refused with a reason only as far as its holder proved to know the secret.
func TestTokensRefused(t *testing.T) {
	l := start(t, Config{Replicas: 1, Handler: echoAccess})
	good, err := ringwire.ParseToken(l.Token())
	if err != nil {
		t.Fatal(err)
	}
	short, err := l.NewToken(t.Context(), time.Second, true)
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := l.NewToken(t.Context(), time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.RevokeToken(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	wrongSecret, wrongRing := good, good
	wrongSecret.Secret[3]++
	wrongRing.CA[3]++
	for _, x := range []struct{ name, token, says string }{
		{"wrong secret", wrongSecret.String(), "does not know the token"},
		{"for another CA", wrongRing.String(), "it is void"},
		{"revoked", revoked.Token, "revoked"},
		{"no token", "password", "not a ring's token"},
	} {
		_, err := accessBy(t, l, x.token)
		if code(err) != ringapi.Denied || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v, want denied: %q", x.name, err, x.says)
		}
	}
	eventually(t, "an expired token still works", func() error {
		_, err := accessBy(t, l, short.Token)
		if err == nil {
			return errors.New("let in")
		}
		if code(err) != ringapi.Denied || !strings.Contains(err.Error(), "expired") {
			t.Fatalf("expired: %v", err)
		}
		return nil
	})
	// "A joiner pins the CA": it has given nothing away to the wrong ring, and a client's token does not make members.
	client, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{wrongRing.String(), wrongSecret.String(), client.Token} {
		n := launch(t, Config{Join: []string{l.Listen().String()}, Token: token})
		if err := <-n.done; code(err) != ringapi.Denied && code(err) != ringapi.Invalid {
			t.Errorf("joined with %q: %v", token, err)
		}
	}
}

// "A stranger without the token learns an anonymous TLS end point, no ring name, member or key" (issue 4, It must show).
func TestStranger(t *testing.T) {
	l := start(t, Config{Replicas: 1})
	tr, err := dialer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	id := l.trust.identity()
	secrets := map[string][]byte{"ring": certificateRing(id), "host's key": id.certificate.Public[:], "CA": id.ca().Public().(ed25519.PublicKey)}
	say := map[string]func(exporter []byte) []byte{
		"nothing":      func([]byte) []byte { return nil },
		"garbage":      func([]byte) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") },
		"a huge frame": func([]byte) []byte { return []byte{255, 255, 255, 255, 1} },
		"a wrong proof": func([]byte) []byte {
			return ringwire.AppendFrame(nil, ringwire.FrameGreet, (&ringwire.Greet{Version: 1}).Append(nil))
		},
		"a replayed proof": func([]byte) []byte { // of another session of a true member
			g := ringwire.Greet{Version: 1, Proof: ringwire.Proof(l.trust.proofKey(), ringwire.DialerRole, make([]byte, 32))}
			return ringwire.AppendFrame(nil, ringwire.FrameGreet, g.Append(nil))
		},
	}
	for name, what := range say {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, s, h, err := greetAt(ctx, tr, l.Listen())
		if err != nil {
			t.Fatal(err)
		}
		state := conn.ConnectionState().TLS
		for _, cert := range state.PeerCertificates {
			if len(cert.Subject.Names) > 0 || len(cert.DNSNames) > 0 || len(cert.IPAddresses) > 0 {
				t.Errorf("the certificate of TLS names somebody: %v", cert.Subject)
			}
			for what, secret := range secrets {
				if strings.Contains(string(cert.Raw), string(secret)) {
					t.Errorf("the certificate of TLS holds the %s", what)
				}
			}
		}
		if state.Version != tls.VersionTLS13 {
			t.Errorf("TLS version %x", state.Version)
		}
		s.Write(what(h.exporter))
		answer, err := io.ReadAll(s)
		var app *quic.ApplicationError
		if len(answer) > 0 || !errors.As(err, &app) && !errors.Is(err, context.DeadlineExceeded) && err == nil {
			t.Errorf("who says %s is told %q, %v", name, answer, err)
		}
		if app != nil && (app.ErrorCode != codeRefused || app.ErrorMessage != "") {
			t.Errorf("who says %s is told %d %q", name, app.ErrorCode, app.ErrorMessage)
		}
		conn.CloseWithError(0, "")
		cancel()
	}
}

func certificateRing(id identity) []byte {
	ring := id.ring()
	return ring[:]
}

// hellos are the two sides of a hello.
func hellos(exporterA, exporterB []byte) (a, b *hello, closeBoth func()) {
	x, y := net.Pipe()
	return newHello(x, exporterA), newHello(y, exporterB), func() { x.Close(); y.Close() }
}

// member makes the admission of a host of a ring.
func member(t *testing.T, ring *identity) (*admission, papers) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{key: key}
	if ring == nil {
		id.found(ringwire.Parameters{Bits: 160, Replicas: 3, Write: 2, Read: 2}, 1, nil, time.Now())
	} else {
		id.secrets, id.parameters = ring.secrets, ring.parameters
		id.certificate = ring.admit(id.public(), ringwire.RoleMember, 1, nil, time.Now())
	}
	p := papers{id.certificate, ringwire.Presence{Incarnation: 1, Addr: mustAddr("127.0.0.1:1")}}
	p.presence.Sign(id.ring(), id.key)
	return newAdmission(t.TempDir(), id), p
}

// converse runs both sides of a hello between members.
func converse(t *testing.T, dial, accept *admission, dp, ap papers, dialExporter, acceptExporter []byte) (derr, aerr error) {
	t.Helper()
	a, b, closeBoth := hellos(dialExporter, acceptExporter)
	done := make(chan error, 1)
	go func() {
		_, err := b.accept(t.Context(), &acceptor{trust: accept, own: ap, judge: func(context.Context, ringwire.TokenID) (tokenRecord, verdict) {
			return tokenRecord{}, unknown
		}})
		closeBoth()
		done <- err
	}()
	_, _, derr = a.dialMember(dial, dp)
	closeBoth()
	return derr, <-done
}

// "Proves the secret bound to the TLS session" (issue 4): who stands between two sessions can pass all on, and still gets nothing, since
// the sessions' keying material differs.
func TestHelloBinding(t *testing.T) {
	x, xp := member(t, nil)
	id := x.identity()
	y, yp := member(t, &id)
	one, two := make([]byte, 32), make([]byte, 32)
	two[0] = 1
	if derr, aerr := converse(t, x, y, xp, yp, one, one); derr != nil || aerr != nil {
		t.Errorf("two members: %v, %v", derr, aerr)
	}
	if derr, aerr := converse(t, x, y, xp, yp, one, two); derr == nil || aerr == nil {
		t.Errorf("two members through a man in the middle: %v, %v", derr, aerr)
	}
	stranger, sp := member(t, nil)
	if derr, aerr := converse(t, stranger, y, sp, yp, one, one); derr == nil || aerr == nil {
		t.Errorf("a member of another ring: %v, %v", derr, aerr)
	}
	// A member may not show another's certificate.
	if derr, aerr := converse(t, x, y, yp, yp, one, one); derr == nil || aerr == nil {
		t.Errorf("a member with another's certificate: %v, %v", derr, aerr)
	}
	y.evict(xp.certificate.Public)
	var r *refusal
	if _, aerr := converse(t, x, y, xp, yp, one, one); !errors.As(aerr, &r) || r.code != codeEvicted {
		t.Errorf("an evicted member: %v", aerr)
	}
	expired := *xp.certificate
	expired.Expires = time.Now().Add(-time.Minute).Unix()
	expired.Sign(id.ca())
	z, zp := member(t, &id)
	if _, aerr := converse(t, x, z, papers{&expired, xp.presence}, zp, one, one); !errors.As(aerr, &r) || r.code != codeStale {
		t.Errorf("an expired certificate: %v", aerr)
	}
}

// A relay between a true client and a true node: QUIC to QUIC, every byte passed on. Neither side may go on.
func TestRelay(t *testing.T) {
	l := start(t, Config{Replicas: 1, Handler: echoAccess})
	relay, err := listen(mustAddr("127.0.0.1:0"), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	defer relay.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		in, err := relay.ln.Accept(t.Context())
		if err != nil {
			return
		}
		out, err := relay.dial(t.Context(), l.Listen())
		if err != nil {
			return
		}
		from, err := in.AcceptStream(t.Context())
		if err != nil {
			return
		}
		to, err := out.OpenStreamSync(t.Context())
		if err != nil {
			return
		}
		back := make(chan struct{})
		go func() { io.Copy(from, to); in.CloseWithError(codeRefused, ""); close(back) }()
		io.Copy(to, from)
		out.CloseWithError(codeDone, "")
		<-back
	}()
	c, err := Dial(t.Context(), relay.addr().String(), l.Token())
	if err == nil {
		c.Close()
	}
	if code(err) != ringapi.Denied {
		t.Errorf("through a relay: %v, want denied", err)
	}
	relay.close()
	<-done
}
