package ringnode

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// "Rotate makes all older tokens void" and "if only a token leaked, token revoke is enough" (doc.go, docs/ring.md): who came in by it is put
// out, and a thief who stays connected does not make himself a token of the new secrets.
func TestGuestsGoWithTheirToken(t *testing.T) {
	l := start(t, Config{Replicas: 1, Handler: echoAccess})
	revoked, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	stays, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(token string) *Client {
		c, err := Dial(t.Context(), l.Listen().String(), token)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ended := func(c *Client, code quic.ApplicationErrorCode) {
		t.Helper()
		select {
		case <-c.conn.Context().Done():
		case <-time.After(time.Minute): // a bound for what is broken, not a measure
			t.Fatal("the connection goes on")
		}
		var app *quic.ApplicationError
		if cause := context.Cause(c.conn.Context()); !errors.As(cause, &app) || app.ErrorCode != code {
			t.Errorf("the connection ended with %v", cause)
		}
	}
	denied := func(c *Client) {
		t.Helper()
		if got := httpGet(t, c.Stream, "http://ring/", ""); got != fmt.Sprint(int(AccessNone)) {
			t.Errorf("a request may still do %q", got)
		}
	}
	thief, honest, member := dial(revoked.Token), dial(stays.Token), dial(l.Token())
	if err := l.RevokeToken(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	denied(thief)
	l.seeOut(time.Now())
	ended(thief, codeRevoked)
	for c, want := range map[*Client]Access{honest: AccessData, member: AccessAdmin} {
		if got := httpGet(t, c.Stream, "http://ring/", ""); got != fmt.Sprint(int(want)) {
			t.Errorf("another's token: %q, want %d", got, want)
		}
	}
	if _, err := l.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	denied(honest)
	denied(member)
	l.seeOut(time.Now())
	ended(honest, codeRevoked)
	ended(member, codeRevoked)
	brief := dial(mustToken(t, l))
	l.seeOut(time.Now())
	if err := context.Cause(brief.conn.Context()); err != nil {
		t.Fatalf("before the token's end: %v", err)
	}
	l.seeOut(time.Now().Add(2 * time.Hour))
	ended(brief, codeExpired)
}

// mustToken makes a client's token that is good for an hour.
func mustToken(t *testing.T, l *live) string {
	t.Helper()
	token, err := l.NewToken(t.Context(), time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}
