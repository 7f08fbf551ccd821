// Package conformance is the suite that everything which serves a ring's operations must pass: a node in this process, one behind
// HTTP, one behind QUIC, and the one of memory that is here too. It holds the promises of ringhttp.Service, issue by issue.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// patience bounds what waits for something to happen; it decides nothing else.
const patience = time.Minute

// Run holds the suite against a service. Keys of the suite begin with prefix, so that it can run again on a ring that lasts.
func Run(t *testing.T, service ringhttp.Service, prefix string) {
	s := &suite{service: service, prefix: prefix}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"keys", s.keys}, {"values", s.values}, {"missing", s.missing}, {"versions", s.versions}, {"sessions", s.sessions}, {"limits", s.limits}, {"ttl", s.ttl},
		{"set", s.set}, {"mortals", s.mortals}, {"watch", s.watch}, {"resume", s.resume}, {"views", s.views}, {"tokens", s.tokens},
	} {
		t.Run(part.name, part.run)
	}
}

type suite struct {
	service ringhttp.Service
	prefix  string
}

func (s *suite) put(t *testing.T, key string, value []byte, options ringapi.PutOptions) *ringapi.Put {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	put, err := s.service.Put(ctx, key, value, options)
	for options.IfVersion == "" && tooFew(err) && ctx.Err() == nil { // a ring on a busy machine may say so; it is no promise broken
		put, err = s.service.Put(ctx, key, value, options)
	}
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	if put.Key != key || put.Version == "" || put.Acks < 1 || put.Acks > put.Holders || len(put.Replicas) != put.Acks {
		t.Fatalf("put %q: %+v", key, put)
	}
	return put
}

func (s *suite) get(t *testing.T, key string, options ringapi.GetOptions) *ringapi.Get {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := s.service.Get(ctx, key, options)
	for tooFew(err) && ctx.Err() == nil {
		got, err = s.service.Get(ctx, key, options)
	}
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return got
}

// tooFew reports whether an operation may be tried again.
func tooFew(err error) bool {
	var known *ringapi.Error
	return errors.As(err, &known) && known.Code == ringapi.TooFew
}

// wantCode holds an error against the code that it must have, and returns it.
func wantCode(t *testing.T, err error, code ringapi.Code) *ringapi.Error {
	t.Helper()
	var known *ringapi.Error
	if !errors.As(err, &known) {
		t.Fatalf("got error %v, want code %s", err, code)
	}
	if known.Code != code || known.Message == "" {
		t.Fatalf("got %+v, want code %s", known, code)
	}
	return known
}

// Keys are any bytes: what looks like a path, a query, an encoding or no text at all is a key like others.
func (s *suite) keys(t *testing.T) {
	keys := []string{"plain", "a/b", "a//b", "/", ".", "..", "a/../b", "../..", "?x=1", "#f", "%", "%2F", "a b", "ä€𝄞", "\x00", "\xff\xfe", "+", "a+b",
		"\r\n", ";", strings.Repeat("k", ringapi.MaxKey-len(s.prefix)), `"`, "\\", "status", "a%2fb"}
	for i, key := range keys {
		s.put(t, s.prefix+key, fmt.Appendf(nil, "value %d", i), ringapi.PutOptions{})
	}
	for i, key := range keys {
		got := s.get(t, s.prefix+key, ringapi.GetOptions{})
		if want := fmt.Sprintf("value %d", i); string(got.Value) != want || got.Key != s.prefix+key || got.Owner == "" {
			t.Errorf("key %q: got %q of key %q and owner %q, want %q", key, got.Value, got.Key, got.Owner, want)
		}
	}
}

// Values are any bytes to 1 MiB, none at all among them.
func (s *suite) values(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, value := range map[string][]byte{"empty": {}, "binary": all, "largest": bytes.Repeat(all, ringapi.MaxValue/256)} {
		put := s.put(t, s.prefix+"value "+name, value, ringapi.PutOptions{})
		got := s.get(t, s.prefix+"value "+name, ringapi.GetOptions{})
		if got.Value == nil || !bytes.Equal(got.Value, value) || got.Version != put.Version || got.TTL != nil || len(got.Siblings) > 1 {
			t.Errorf("%s: got %d bytes, version %q, ttl %v; want %d bytes, version %q, none", name, len(got.Value), got.Version, got.TTL, len(value), put.Version)
		}
	}
}

func (s *suite) missing(t *testing.T) {
	key := s.prefix + "never put"
	_, err := s.service.Get(t.Context(), key, ringapi.GetOptions{})
	wantCode(t, err, ringapi.NotFound)
	_, err = s.service.Delete(t.Context(), key, "")
	wantCode(t, err, ringapi.NotFound)
	s.put(t, key, []byte("x"), ringapi.PutOptions{})
	if _, err := s.service.Delete(t.Context(), key, ""); err != nil {
		t.Fatal(err)
	}
	_, err = s.service.Get(t.Context(), key, ringapi.GetOptions{})
	wantCode(t, err, ringapi.NotFound)
	s.put(t, key, []byte("again"), ringapi.PutOptions{IfVersion: ringapi.None}) // what is deleted does not exist
}

// "--if-version V|none": a write happens only if what is there is what the writer knows.
func (s *suite) versions(t *testing.T) {
	key := s.prefix + "versioned"
	ctx := t.Context()
	_, err := s.service.Put(ctx, key, []byte("x"), ringapi.PutOptions{IfVersion: s.put(t, s.prefix+"other", nil, ringapi.PutOptions{}).Version})
	wantCode(t, err, ringapi.Conflict)
	first := s.put(t, key, []byte("1"), ringapi.PutOptions{IfVersion: ringapi.None})
	_, err = s.service.Put(ctx, key, []byte("x"), ringapi.PutOptions{IfVersion: ringapi.None})
	if conflict := wantCode(t, err, ringapi.Conflict); conflict.Version != first.Version {
		t.Errorf("the conflict names version %q, want %q", conflict.Version, first.Version)
	}
	second := s.put(t, key, []byte("2"), ringapi.PutOptions{IfVersion: first.Version})
	_, err = s.service.Put(ctx, key, []byte("x"), ringapi.PutOptions{IfVersion: first.Version})
	wantCode(t, err, ringapi.Conflict)
	_, err = s.service.Delete(ctx, key, first.Version)
	wantCode(t, err, ringapi.Conflict)
	if got := s.get(t, key, ringapi.GetOptions{}); string(got.Value) != "2" || got.Version != second.Version {
		t.Errorf("after refused writes: %q of version %q, want 2 of %q", got.Value, got.Version, second.Version)
	}
	if _, err = s.service.Delete(ctx, key, second.Version); err != nil {
		t.Fatal(err)
	}
}

// "sessions that pass versions read their writes" (issue 4): what a session was told, by a get, a put or a delete, its next get has seen.
func (s *suite) sessions(t *testing.T) {
	key := s.prefix + "session"
	put := s.put(t, key, []byte("1"), ringapi.PutOptions{})
	got := s.get(t, key, ringapi.GetOptions{AtLeast: put.Version})
	if string(got.Value) != "1" {
		t.Errorf("at least %q: %q", put.Version, got.Value)
	}
	put = s.put(t, key, []byte("2"), ringapi.PutOptions{})
	for _, version := range []string{got.Version, put.Version} {
		if got := s.get(t, key, ringapi.GetOptions{AtLeast: version}); string(got.Value) != "2" {
			t.Errorf("at least %q: %q", version, got.Value)
		}
	}
	gone, err := s.service.Delete(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.service.Get(t.Context(), key, ringapi.GetOptions{AtLeast: gone.Version})
	for tooFew(err) {
		_, err = s.service.Get(t.Context(), key, ringapi.GetOptions{AtLeast: gone.Version})
	}
	wantCode(t, err, ringapi.NotFound)
	_, err = s.service.Get(t.Context(), key, ringapi.GetOptions{AtLeast: "made up"})
	wantCode(t, err, ringapi.Invalid)
}

func (s *suite) limits(t *testing.T) {
	ctx := t.Context()
	for _, key := range []string{"", strings.Repeat("k", ringapi.MaxKey+1)} {
		_, err := s.service.Get(ctx, key, ringapi.GetOptions{})
		wantCode(t, err, ringapi.Invalid)
		_, err = s.service.Put(ctx, key, []byte("x"), ringapi.PutOptions{})
		wantCode(t, err, ringapi.Invalid)
		_, err = s.service.Delete(ctx, key, "")
		wantCode(t, err, ringapi.Invalid)
		wantCode(t, s.service.Watch(ctx, key, "", func(*ringapi.Get) error { return nil }), ringapi.Invalid)
	}
	_, err := s.service.Put(ctx, s.prefix+"large", make([]byte, ringapi.MaxValue+1), ringapi.PutOptions{})
	wantCode(t, err, ringapi.TooLarge)
	_, err = s.service.Get(ctx, s.prefix+"large", ringapi.GetOptions{})
	wantCode(t, err, ringapi.NotFound)
}

// A value with a time to live says how much is left, and is gone after it.
func (s *suite) ttl(t *testing.T) {
	key := s.prefix + "mortal"
	s.put(t, key, []byte("x"), ringapi.PutOptions{TTL: time.Hour})
	if got := s.get(t, key, ringapi.GetOptions{}); got.TTL == nil || *got.TTL <= 0 || *got.TTL > 3600 {
		t.Errorf("ttl %v, want at most an hour", got.TTL)
	}
	s.put(t, key+" soon", []byte("x"), ringapi.PutOptions{TTL: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, err := s.service.Get(ctx, key+" soon", ringapi.GetOptions{})
		if err != nil {
			wantCode(t, err, ringapi.NotFound)
			return
		}
	}
}

func (s *suite) set(t *testing.T) {
	key := s.prefix + "set"
	const members = ringapi.Sample + 10
	var want [][]byte
	for i := range members {
		member := fmt.Appendf(nil, "member %03d", i)
		want = append(want, member)
		s.put(t, key, member, ringapi.PutOptions{Set: true, TTL: time.Hour})
	}
	s.put(t, key, want[0], ringapi.PutOptions{Set: true, TTL: time.Hour}) // a member is in a set once
	for _, row := range []struct{ sample, want int }{{0, ringapi.Sample}, {7, 7}, {-1, members}, {2000, members}} {
		got := s.get(t, key, ringapi.GetOptions{Sample: row.sample})
		if got.Value != nil || got.MemberCount != members || len(got.Members) != row.want {
			t.Errorf("sample %d: value %q, %d of %d members, want none, %d of %d", row.sample, got.Value, len(got.Members), got.MemberCount, row.want, members)
		}
	}
	all := s.get(t, key, ringapi.GetOptions{Sample: -1}).Members
	slices.SortFunc(all, bytes.Compare)
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// "a set (members with their own TTL, union on merge ...)": a member that is added again lives as long as it was told last.
func (s *suite) mortals(t *testing.T) {
	key := s.prefix + "mortals"
	for _, m := range []string{"lasting", "renewed", "recalled", "short"} {
		s.put(t, key, []byte(m), ringapi.PutOptions{Set: true, TTL: time.Hour})
	}
	s.put(t, key, []byte("short"), ringapi.PutOptions{Set: true, TTL: time.Millisecond})
	s.put(t, key, []byte("recalled"), ringapi.PutOptions{Set: true, TTL: time.Millisecond})
	s.put(t, key, []byte("renewed"), ringapi.PutOptions{Set: true, TTL: time.Millisecond})
	s.put(t, key, []byte("renewed"), ringapi.PutOptions{Set: true})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		got, err := s.service.Get(ctx, key, ringapi.GetOptions{Sample: -1})
		if err != nil {
			t.Fatal(err)
		}
		if got.MemberCount <= 2 {
			slices.SortFunc(got.Members, bytes.Compare)
			if members := string(bytes.Join(got.Members, []byte(" "))); members != "lasting renewed" {
				t.Errorf("left are: %s", members)
			}
			return
		}
	}
}

// follow watches a key, and returns the changes as they come. A deleted key is "-".
func (s *suite) follow(t *testing.T, key, since string) <-chan *ringapi.Get {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	changes, ended := make(chan *ringapi.Get), make(chan error, 1)
	go func() {
		ended <- s.service.Watch(ctx, key, since, func(g *ringapi.Get) error {
			select {
			case changes <- g:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch of %q ended with %v", key, err)
		}
	})
	return changes
}

// expect reads changes until one has the value (nil: the key does not exist); those before it may be told or not.
func expect(t *testing.T, changes <-chan *ringapi.Get, value []byte) *ringapi.Get {
	t.Helper()
	end := time.After(patience)
	for {
		select {
		case g := <-changes:
			if bytes.Equal(g.Value, value) && g.Deleted == (value == nil) && g.Version != "" {
				return g
			}
		case <-end:
			t.Fatalf("no change to %q was told", value)
		}
	}
}

func (s *suite) watch(t *testing.T) {
	key := s.prefix + "watched/key"
	changes := s.follow(t, key, "")
	put := s.put(t, key, []byte("1"), ringapi.PutOptions{})
	if got := expect(t, changes, []byte("1")); got.Version != put.Version || got.Key != key {
		t.Errorf("told version %q of %q, want %q of %q", got.Version, got.Key, put.Version, key)
	}
	s.put(t, key, []byte("2"), ringapi.PutOptions{})
	expect(t, changes, []byte("2"))
	if _, err := s.service.Delete(t.Context(), key, ""); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, nil)
}

// A watch since what is there tells the next change, and not what is there.
func (s *suite) resume(t *testing.T) {
	key := s.prefix + "resumed"
	put := s.put(t, key, []byte("known"), ringapi.PutOptions{})
	changes := s.follow(t, key, put.Version)
	s.put(t, key, []byte("news"), ringapi.PutOptions{})
	select {
	case g := <-changes:
		if string(g.Value) != "news" {
			t.Errorf("told %q first, want the news", g.Value)
		}
	case <-time.After(patience):
		t.Fatal("nothing was told")
	}
}

func (s *suite) views(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := s.service.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if status.ID == "" || status.Addr == "" || status.Members < 1 || !slices.Contains([]string{ringapi.StateOK, ringapi.StateMerging, ringapi.StateDegraded}, status.State) {
		t.Errorf("status: %+v", status)
	}
	check, err := s.service.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if check.Hosts < 1 || len(check.Members) == 0 || check.OK != (len(check.Problems) == 0) {
		t.Errorf("check: %+v", check)
	}
}

func (s *suite) tokens(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := time.Now()
	token, err := s.service.NewToken(ctx, time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if token.ID == "" || !strings.HasPrefix(token.Token, "eddyring1-") || token.Expires.Before(start.Add(59*time.Minute)) || token.Expires.After(time.Now().Add(61*time.Minute)) {
		t.Errorf("token: %+v", token)
	}
	if err := s.service.RevokeToken(ctx, token.ID); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"revoking": s.service.RevokeToken(ctx, "nobody-made-this"), "evicting": s.service.Evict(ctx, "nobody-has-this"),
	} {
		var known *ringapi.Error
		if !errors.As(err, &known) || known.Code != ringapi.NotFound && known.Code != ringapi.Invalid {
			t.Errorf("%s what does not exist: %v", what, err)
		}
	}
}
