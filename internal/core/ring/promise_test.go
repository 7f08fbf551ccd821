package ring

import (
	"slices"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// "Suspect only after 3 missed probes" holds for a question too: it is asked three times, under one number, before whoever was asked is dropped.
func TestQuestionsAreRepeated(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	seq := one(t, n, GetState, 30).Seq
	for range missedProbes - 1 {
		n.now = n.pos[0].deadline
		n.expireQuestion(&n.pos[0])
		if m := one(t, n, GetState, 30); m.Seq != seq {
			t.Errorf("asked again as question %d, first %d", m.Seq, seq)
		}
		wantLists(t, n, 10, 30, 40, 50)
	}
	n.now = n.pos[0].deadline
	n.expireQuestion(&n.pos[0])
	wantLists(t, n, 10, 40, 50)
}

// meshOf is a quiet mesh of hosts.
func meshOf(t *testing.T, hosts Host) *testNet {
	w := newTestNet(t, 21, Config{Successors: 8, Mesh: true})
	for h := range hosts {
		w.add(h, 1)
	}
	w.ideal()
	for _, n := range w.live() {
		sent(n)
	}
	return w
}

// told lists, ascending, to whom news of h went.
func told(actions []Action, m Member) (out []Host) {
	for _, a := range actions {
		if a.Message.Kind == News && slices.Contains(a.Message.Members, m) {
			out = append(out, a.To)
		}
	}
	slices.Sort(out)
	return out
}

// "Small-ring mesh: every host knows all, changes are told to all at once": of a newcomer, who is told of all in turn, and of a death.
func TestMeshTellsAtOnce(t *testing.T) {
	w := meshOf(t, 4)
	n := w.nodes[0]
	w.places[9] = []ID{Space{}.Hash("newcomer")}
	comer := Member{Host: 9, Incarnation: 3, State: ringwire.Alive}
	n.Receive(w.now, 9, &Message{Kind: News, Members: []Member{comer}})
	got := sent(n)
	if to := told(got, comer); !slices.Equal(to, []Host{1, 2, 3, 9}) {
		t.Errorf("news of the newcomer go to %v", to)
	}
	for h := range Host(4) {
		if m, _ := n.members.get(h); !slices.Contains(told(got, m), 9) {
			t.Errorf("the newcomer is not told of %d: %+v", h, got)
		}
	}
	n.Bury(w.now, 2)
	if to := told(sent(n), Member{Host: 2, State: ringwire.Dead}); !slices.Equal(to, []Host{1, 3, 9}) {
		t.Errorf("news of the death go to %v", to)
	}
}

// What a host hears of another's earlier life does not undo what it knows of its present one, whichever comes first.
func TestOldNewsChangeNothing(t *testing.T) {
	w := newTestNet(t, 21, Config{Cache: true})
	for h := range Host(40) {
		w.add(h, 1)
	}
	w.ideal()
	n, of := w.nodes[0], Host(1)
	for n.listed(of) { // of its own lists it believes itself
		of++
	}
	about := func(incarnation uint32, state ringwire.MemberState) Member {
		return Member{Host: of, Incarnation: incarnation, State: state}
	}
	for _, c := range []struct{ told, want Member }{
		{about(5, ringwire.Alive), about(5, ringwire.Alive)},
		{about(4, ringwire.Dead), about(5, ringwire.Alive)},
		{about(4, ringwire.Left), about(5, ringwire.Alive)},
		{about(5, ringwire.Dead), about(5, ringwire.Dead)},
		{about(5, ringwire.Alive), about(5, ringwire.Dead)},
		{about(4, ringwire.Alive), about(5, ringwire.Dead)},
		{about(6, ringwire.Alive), about(6, ringwire.Alive)},
	} {
		n.Receive(w.now, 39, &Message{Kind: News, Members: []Member{c.told}})
		if got, _ := n.members.get(of); got != c.want {
			t.Fatalf("after %v: %v, want %v", c.told, got, c.want)
		}
	}
}

// "4 kB/s of wire bytes": whatever is asked, and however often, a host does not send more of the membership than it may.
func TestBudgetIsKept(t *testing.T) {
	w := newTestNet(t, 22, Config{Cache: true, CacheBudget: 100})
	for h := range Host(200) {
		w.add(h, 1)
	}
	w.ideal()
	n := w.nodes[0]
	sent(n)
	w.now = 10 * time.Minute // a minute's budget is saved up, and no more
	bytes := 0
	for range 50 {
		n.Receive(w.now, 1, &Message{Kind: Digest})
		for _, a := range sent(n) {
			bytes += len(a.Message.Members)*memberBytes + len(a.Message.Digests)*8
		}
	}
	if bytes == 0 || bytes > 60*100 {
		t.Errorf("%d bytes of membership at once on a budget of 100 a second", bytes)
	}
}

// "Probe it every 10 s with fan-out <= 3."
func TestMemoryFanOut(t *testing.T) {
	n := node20(t)
	for x := byte(100); x < 140; x++ {
		n.rememberRef(at(x)[0])
	}
	n.probeMemory()
	if got := sent(n); len(got) != 3 {
		t.Errorf("%d remembered hosts are probed at once", len(got))
	}
}

// A restored host that finds nobody begins alone, and invites everybody whom it knew.
func TestRestoredAlone(t *testing.T) {
	w := newTestNet(t, 23, Config{})
	n := w.add(0, 1)
	known := at(100, 200)
	if err := n.Restore(0, known...); err != nil {
		t.Fatal(err)
	}
	var invited []Host
	for end := 2 * time.Minute; n.NextTick() < end && n.phase == joining; {
		n.Tick(n.NextTick())
		for _, a := range sent(n) {
			if a.Message.Kind == Merge && a.Message.Ref == n.pos[0].self {
				invited = append(invited, a.To)
			}
		}
	}
	slices.Sort(invited)
	if n.phase != member || n.now < 3*time.Second || !slices.Equal(invited, []Host{100, 200}) {
		t.Errorf("after %v: member %t, invited %v", n.now, n.phase == member, invited)
	}
}

// "Fingers are the fallback": a lookup follows three hints of the cache's at most, and those alone that whoever was asked gives.
func TestHintsEnd(t *testing.T) {
	w := newTestNet(t, 24, Config{Cache: true})
	for h := range Host(60) {
		w.add(h, 1)
	}
	w.ideal()
	n := w.nodes[0]
	sent(n)
	key := w.refs()[30].ID
	if successorOf(w.refs(), key).Host == 0 {
		t.Fatal("the test's key is the asker's")
	}
	n.Lookup(w.now, key, 1, Recursive)
	for hint := 0; ; hint++ {
		got := sent(n)
		if len(got) != 1 || got[0].Message.Kind != Lookup {
			t.Fatalf("after %d hints: sent %+v", hint, got)
		}
		if !got[0].Message.OneHop {
			if hint != maxHints+1 {
				t.Errorf("fingers take over after %d wrong hosts", hint)
			}
			return
		}
		if hint > maxHints {
			t.Fatalf("%d hints are followed", hint)
		}
		next := w.nodes[Host(40+hint)].pos[0].self
		answer := Message{Kind: NotMine, To: n.pos[0].self.ID, Seq: got[0].Message.Seq, Key: key, Ref: next, Hops: got[0].Message.Hops}
		stranger := answer
		n.Receive(w.now, 59, &stranger)
		if got := sent(n); len(got) > 0 {
			t.Fatalf("a stranger's hint is followed: %+v", got)
		}
		n.Receive(w.now, got[0].To, &answer)
	}
}

// lives is a directory that knows in which life hosts are.
type lives struct {
	directory
	incarnation map[Host]uint32
}

func (l lives) Incarnation(h Host) uint32 { return l.incarnation[h] }

// "Online invariant check with an alarm metric": what breaks the proof's assumption is that a host was thought dead and was not. One that has been
// restarted was, whatever its first message; one that lives on was not, even if others say so before it does.
func TestAssumptionBrokenByTheLivingOnly(t *testing.T) {
	for _, row := range []struct {
		name  string
		comes Message
		later uint32 // by how much its incarnation has grown
		want  uint64
	}{
		{"answers in the same life", Message{Kind: Pong}, 0, 1},
		{"asks in the same life", Message{Kind: FindPredecessor}, 0, 1},
		{"answers after a restart", Message{Kind: Pong}, 1, 0},
		{"asks after a restart", Message{Kind: FindPredecessor}, 1, 0},
		{"others tell that it took its death back in the same life", Message{Kind: News, Members: []Member{{Host: 2, Incarnation: 9, State: ringwire.Alive}}}, 0, 1},
		{"others tell of the restart", Message{Kind: News, Members: []Member{{Host: 2, Incarnation: 9, State: ringwire.Alive}}}, 1, 0},
	} {
		for _, cache := range []bool{false, true} {
			w := newTestNet(t, 5, Config{Cache: cache})
			for h := range Host(4) {
				w.add(h, 1)
			}
			dir := lives{w.places, map[Host]uint32{2: 3}}
			w.nodes[0].cfg.Directory = dir
			w.ideal()
			w.run(10 * time.Second)
			w.kill(2)
			w.run(time.Minute)
			n := w.nodes[0]
			if n.Alive(2) || n.stats.AssumptionBroken > 0 {
				t.Fatalf("%s: host 2 is not dead, or broke the assumption %d times by it", row.name, n.stats.AssumptionBroken)
			}
			dir.incarnation[2] += row.later
			from := Host(2)
			if row.comes.Kind == News {
				from = 3
			}
			if row.comes.Kind == News && !cache {
				continue // it has no use for news
			}
			m := row.comes
			n.Receive(w.now, from, &m)
			n.Receive(w.now, 2, &Message{Kind: Pong})
			if got := n.stats.AssumptionBroken; got != row.want {
				t.Errorf("%s (cache %v): broken %d times, want %d", row.name, cache, got, row.want)
			}
		}
	}
}

// Who claims the predecessor's place over and over keeps no position from its steps, nor from answering others: its predecessor is asked once between two.
func TestClaimsStarveNobody(t *testing.T) {
	n := node20(t)
	claim := func(now time.Duration) { n.Receive(now, 5, &Message{Kind: Notify, To: ID{20}, From: ID{5}}) }
	asked, answered, pings := 0, 0, 0
	for now := time.Duration(0); now < 20*time.Second; now += 10 * time.Millisecond {
		claim(now)
		queue := sent(n)
		for range 20 { // round trips
			if len(queue) == 0 {
				break
			}
			switch m := queue[0].Message; m.Kind {
			case Ping:
				if m.Final {
					pings++
				}
				claim(now) // and again while it waits
				n.Receive(now, queue[0].To, &Message{Kind: Pong, Seq: m.Seq})
			case GetState:
				asked++
				n.Receive(now, queue[0].To, state(n, byte(queue[0].To), m.Seq, 20, 40, 50, 60))
			case State:
				answered++
			}
			queue = append(queue[1:], sent(n)...)
		}
		n.Receive(now, 10, &Message{Kind: GetState, To: ID{20}, From: ID{10}, Seq: 1})
		n.Tick(now)
	}
	if asked < 6 || answered < 1500 || pings > asked+1 {
		t.Errorf("in 20 s %d steps of 2 s, %d answers to 2000 questions, %d pings of the predecessor", asked, answered, pings)
	}
}
