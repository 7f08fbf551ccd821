package ring

import (
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// Result is what a simulation came to.
type Result struct {
	Config   Config
	Digest   string // of every lookup and count: equal seeds give equal ones
	Expected float64

	Done     int       // lookups that found the right owner
	Failed   int       // lookups without an answer, or with a wrong one, for keys that are not lost
	Wrong    int       // of those the ones with a wrong answer
	Excused  int       // lookups that failed and are nobody's fault: every replica of the key failed, or the asker did while it waited
	LostKeys int       // lookups for such keys, however they ended
	Hops     Hops      // of Done
	Elapsed  Durations // of Done
	Timeouts uint64    // questions of lookups that a failed host left unanswered
	Keys     Keys

	Maintenance      float64       // messages a host sends in a second, other than for users' lookups
	Violations       int           // of the global invariant (core/ring's CheckRing) at its checks
	AssumptionBroken uint64        // hosts that were thought dead and were not, and moments without a living successor
	Repaired         time.Duration // from the failures until every member knew its neighbours, within a second, and no lookup was under way
	IsRepaired       bool          // the ring was in order at the end
	CachesDropped    uint64
	Came, Went       int // hosts, by churn

	Events  uint64
	Virtual time.Duration
}

// Hops is the distribution of forwardings.
type Hops struct {
	Mean      float64
	P50, P99  int
	Histogram []int // how many lookups took as many hops as the index
}

// Durations is a distribution of times.
type Durations struct{ Mean, P50, P99 time.Duration }

// run is one simulation under way.
type run struct {
	ctx context.Context
	cfg Config
	net *network
	rng *rand.Rand // of the experiment: who asks, for what, who fails

	refs    []core.Ref // positions of hosts that are members, ascending
	members []core.Host
	place   []int32 // of a host in members, -1 = none
	born    []int64 // when a host became a member
	died    []int64 // never = it lives

	asked   []question // by token - 1
	pending int
	waiting map[core.Host]int // lookups of a host that have no answer yet
	hops    []int
	elapsed []time.Duration
	digest  hash.Hash64
	agenda  agenda
	failed  int64 // when failures struck
	checked int64 // when the invariant was last looked at during churn
	result  Result
	phase   Progress
}

// question is a lookup by a user.
type question struct {
	key   core.ID
	began int64
	lost  bool
}

// Run simulates a ring.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	r := &run{ctx: ctx, cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1<<63)), digest: fnv.New64a(), waiting: map[core.Host]int{}}
	r.net = &network{seed: cfg.Seed, latency: cfg.Latency, spread: true, done: r.answer, users: map[asker]bool{}, joined: r.join}
	for _, phase := range []func() error{r.build, r.warm, r.failures, r.lookups, r.repair} {
		if err := phase(); err != nil {
			return nil, err
		}
	}
	return r.finish(), nil
}

// build makes the hosts, ideal or by joins.
func (r *run) build() error {
	total := r.cfg.Nodes
	if r.cfg.Join {
		return r.buildByJoins()
	}
	for i := range total {
		if err := r.pulse("building", i, total, i); err != nil {
			return err
		}
		h, err := r.newHost()
		if err != nil {
			return err
		}
		r.admit(h)
	}
	r.refs = r.net.ordered()
	for h := range total {
		if err := r.pulse("wiring", h, total, h); err != nil {
			return err
		}
		r.net.input(core.Host(h), func(n *core.Node, now time.Duration) { n.Ideal(now, r.refs) })
	}
	return nil
}

// newHost makes one at random positions.
func (r *run) newHost() (core.Host, error) {
	positions := make([]core.ID, r.cfg.Vnodes)
	for i := range positions {
		positions[i] = r.randomID()
	}
	h, err := r.net.add(r.cfg.node(), positions)
	r.place, r.born, r.died = append(r.place, -1), append(r.born, never), append(r.died, never)
	return h, err
}

func (r *run) randomID() (id core.ID) {
	for i := 0; i < len(id); i += 8 {
		x := r.rng.Uint64()
		for k := i; k < min(i+8, len(id)); k++ {
			id[k] = byte(x)
			x >>= 8
		}
	}
	return id
}

// admit counts a host among those that may be asked and asked for.
func (r *run) admit(h core.Host) {
	r.place[h], r.born[h] = int32(len(r.members)), r.net.now
	r.members = append(r.members, h)
}

// join is called when a host that joined has its place.
func (r *run) join(h core.Host) {
	if r.place[h] >= 0 {
		return
	}
	r.admit(h)
	for _, id := range r.net.positions[h] {
		i, _ := slices.BinarySearchFunc(r.refs, core.Ref{ID: id}, byID)
		r.refs = slices.Insert(r.refs, i, core.Ref{ID: id, Host: h})
	}
}

// kill ends a host without a word.
func (r *run) kill(h core.Host) {
	r.gather(h)
	r.net.fail(h)
	r.died[h] = r.net.now
	r.pending -= r.waiting[h] // nobody is there to hear the answers
	r.result.Excused += r.waiting[h]
	delete(r.waiting, h)
	i := r.place[h]
	if i < 0 {
		return // it never got in
	}
	last := r.members[len(r.members)-1]
	r.members[i], r.place[last] = last, i
	r.members, r.place[h] = r.members[:len(r.members)-1], -1
}

// forgetDead takes the positions of failed hosts out of the truth.
func (r *run) forgetDead() {
	r.refs = slices.DeleteFunc(r.refs, func(x core.Ref) bool { return !r.net.alive(x.Host) })
}

// How joins go: the ring grows by a quarter in joinRound, so that there are always many more members than newcomers; and it gets settleTime to
// have every place right.
const (
	joinRound  = 8 * time.Second
	settleTime = 10 * time.Minute
)

func (r *run) buildByJoins() error {
	for made := 0; made < r.cfg.Nodes; {
		start := r.net.now
		batch := min(max(1, made/4), r.cfg.Nodes-made)
		for i := range batch {
			if err := r.advance(start+int64(i)*joinRound.Microseconds()/int64(batch), "joining", made, r.cfg.Nodes); err != nil {
				return err
			}
			if err := r.comeIn(); err != nil {
				return err
			}
			made++
		}
		if err := r.advance(start+joinRound.Microseconds(), "joining", made, r.cfg.Nodes); err != nil {
			return err
		}
	}
	if err := r.settle("settling"); err != nil {
		return err
	}
	// Each host looks up one finger in 10 s, and has about log2 N different ones.
	turns := time.Duration(math.Log2(float64(r.cfg.Nodes))+4) * 10 * time.Second
	return r.advance(r.net.now+turns.Microseconds(), "finding shortcuts", 0, 0)
}

// comeIn makes a host that starts the ring, or joins through a random member.
func (r *run) comeIn() error {
	h, err := r.newHost()
	if err != nil {
		return err
	}
	if len(r.members) == 0 {
		r.net.input(h, func(n *core.Node, now time.Duration) { n.Start(now) })
		r.join(h)
		return err
	}
	via := r.members[r.rng.IntN(len(r.members))]
	r.net.input(h, func(n *core.Node, now time.Duration) {
		err = n.Join(now, core.Ref{ID: r.net.positions[via][0], Host: via})
	})
	return err
}

// settle waits until every member knows its neighbours rightly. It looks once a second.
func (r *run) settle(phase string) error {
	for end := r.net.now + settleTime.Microseconds(); ; {
		if len(r.members) >= r.livingHosts() && r.inOrder() {
			r.result.IsRepaired = true
			return nil
		}
		if r.net.now >= end {
			r.result.IsRepaired = false
			return nil
		}
		if err := r.advance(r.net.now+time.Second.Microseconds(), phase, 0, 0); err != nil {
			return err
		}
	}
}

func (r *run) livingHosts() int {
	n := 0
	for h := range r.net.hosts {
		if r.net.alive(core.Host(h)) {
			n++
		}
	}
	return n
}

// inOrder compares each position's neighbours with the truth.
func (r *run) inOrder() bool {
	refs := r.net.ordered()
	n := len(refs)
	if n == 1 {
		return true
	}
	for h := range r.net.hosts {
		if !r.net.alive(core.Host(h)) {
			continue
		}
		for _, p := range r.net.hosts[h].node.View().Positions {
			i := owner(refs, p.Self.ID)
			if !p.In || len(p.Successors) == 0 || p.Successors[0] != refs[(i+1)%n] || !p.HasPredecessor || p.Predecessor != refs[(i+n-1)%n] {
				return false
			}
		}
	}
	return true
}

// warm lets time pass before the lookups, with churn.
func (r *run) warm() error {
	if r.cfg.Churn > 0 {
		for h := range r.net.hosts {
			r.agenda.add(r.net.now+r.session(), core.Host(h))
		}
	}
	return r.advance(r.net.now+r.cfg.Warm.Microseconds(), "warming up", 0, 0)
}

// session draws the time until a host fails. That is exponential, so that how long a host has lived says nothing.
func (r *run) session() int64 {
	return 1 + int64(r.rng.ExpFloat64()*float64(r.cfg.Churn.Microseconds()))
}

// failures ends a share of the hosts at one moment.
func (r *run) failures() error {
	r.check()
	if r.cfg.Fail == 0 {
		return nil
	}
	hosts := slices.Clone(r.members)
	slices.Sort(hosts)
	r.rng.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	for _, h := range hosts[:int(math.Round(r.cfg.Fail*float64(len(hosts))))] {
		r.kill(h)
	}
	r.failed = r.net.now
	r.checkAssumption()
	return nil
}

// lookups asks and waits for the answers.
func (r *run) lookups() error {
	before, begin := r.net.count, r.net.now
	window := r.cfg.Window.Microseconds()
	for i := range r.cfg.Lookups {
		at := begin + int64(float64(window)*(float64(i)+0.5)/float64(r.cfg.Lookups))
		if err := r.advance(at, "looking up", len(r.asked)-r.pending, r.cfg.Lookups); err != nil {
			return err
		}
		r.ask()
	}
	if err := r.advance(begin+window, "looking up", len(r.asked)-r.pending, r.cfg.Lookups); err != nil {
		return err
	}
	sent := r.net.count.messages - before.messages - (r.net.count.lookups - before.lookups)
	r.result.Maintenance = float64(sent) / float64(max(1, len(r.members))) / r.cfg.Window.Seconds()
	patience := 2*time.Minute + 3*r.cfg.node().LookupTimeout
	for end := r.net.now + patience.Microseconds(); r.pending > 0 && r.net.now < end; {
		if err := r.advance(r.net.now+time.Millisecond.Microseconds()*100, "looking up", len(r.asked)-r.pending, r.cfg.Lookups); err != nil {
			return err
		}
	}
	r.result.Failed += r.pending // nobody answered, not even with an error
	return nil
}

// ask lets a random member look a random key up.
func (r *run) ask() {
	h := r.members[r.rng.IntN(len(r.members))]
	key := r.randomID()
	r.asked = append(r.asked, question{key: key, began: r.net.now, lost: r.isLost(key)})
	r.pending++
	r.waiting[h]++
	if r.asked[len(r.asked)-1].lost {
		r.result.LostKeys++
	}
	r.net.asking = true
	r.net.input(h, func(n *core.Node, now time.Duration) { n.Lookup(now, key, uint64(len(r.asked)), core.Recursive) })
	r.net.asking = false
}

// isLost reports whether the hosts that held a key before failures struck, its owner and the next ones, have all failed. With churn there is
// time to replicate, and none is.
func (r *run) isLost(key core.ID) bool {
	if r.cfg.Fail == 0 {
		return false
	}
	var seen []core.Host
	for i, at := 0, owner(r.refs, key); i < len(r.refs) && len(seen) < r.cfg.Replicas; i++ {
		h := r.refs[(at+i)%len(r.refs)].Host
		if r.net.alive(h) {
			return false
		}
		if !slices.Contains(seen, h) {
			seen = append(seen, h)
		}
	}
	return true
}

// answer takes the end of a lookup.
func (r *run) answer(h core.Host, res core.Result) {
	q := r.asked[res.Token-1]
	r.pending--
	if r.waiting[h]--; r.waiting[h] == 0 {
		delete(r.waiting, h)
	}
	for _, v := range []uint64{res.Token, uint64(h), uint64(res.Owner.Host), uint64(res.Hops), uint64(r.net.now)} {
		r.sum(v)
	}
	switch right := res.Err == nil && r.right(q, res.Owner); {
	case right:
		r.result.Done++
		for len(r.hops) <= res.Hops {
			r.hops = append(r.hops, 0)
		}
		r.hops[res.Hops]++
		r.elapsed = append(r.elapsed, time.Duration(r.net.now-q.began)*time.Microsecond)
	case q.lost:
		r.result.Excused++
	default:
		r.result.Failed++
		if res.Err == nil {
			r.result.Wrong++
		}
	}
}

// newcomer is how long a host may be a member before all must know that keys are its own: its successor learns of it when it stabilizes, and
// grants it the arc only when the data are there.
const newcomer = 10 * time.Second

// right reports whether to is the owner of the key: it was alive when the lookup began, and no living member lies between
// them, newcomers aside.
func (r *run) right(q question, to core.Ref) bool {
	if r.died[to.Host] < q.began {
		return false
	}
	far := to.ID.Sub(q.key)
	for i, at := 0, owner(r.refs, q.key); i < len(r.refs); i++ {
		x := r.refs[(at+i)%len(r.refs)]
		if x == to || far.Compare(x.ID.Sub(q.key)) < 0 { // before x: a newcomer that has a place here, and not all of its places yet
			return true
		}
		if r.net.alive(x.Host) && r.born[x.Host] < r.net.now-newcomer.Microseconds() {
			return false
		}
	}
	return false
}

// repair waits until the ring is in order again after failures, and checks it.
func (r *run) repair() (err error) {
	if r.cfg.Churn > 0 {
		r.check()
		return nil
	}
	r.forgetDead()
	if r.cfg.Fail > 0 {
		if err = r.settle("repairing"); err != nil {
			return err
		}
		r.result.Repaired = time.Duration(r.net.now-r.failed) * time.Microsecond
	} else {
		r.result.IsRepaired = r.inOrder()
	}
	r.check()
	return nil
}

// advance runs the network up to the time t.
func (r *run) advance(t int64, phase string, done, total int) error {
	for {
		next, due := r.agenda.next(t)
		for n := 0; len(r.net.queue) > 0 && r.net.queue[0].at <= next; n++ {
			r.net.step()
			if n&0xfff == 0 {
				if err := r.pulse(phase, done, total, 0); err != nil {
					return err
				}
			}
		}
		r.net.now = max(r.net.now, next)
		if !due {
			return r.pulse(phase, done, total, 0)
		}
		if err := r.replace(r.agenda.pop()); err != nil {
			return err
		}
	}
}

// checkEvery is how often the invariant is looked at while hosts come and go.
const checkEvery = 10 * time.Second

// replace lets a host fail and another one come.
func (r *run) replace(h core.Host) error {
	if r.net.now >= r.checked+checkEvery.Microseconds() {
		r.checked = r.net.now
		r.check()
	}
	r.kill(h)
	r.result.Went++
	r.refs = slices.DeleteFunc(r.refs, func(x core.Ref) bool { return r.died[x.Host] < r.net.now-time.Minute.Microseconds() })
	if err := r.comeIn(); err != nil {
		return err
	}
	r.result.Came++
	r.agenda.add(r.net.now+r.session(), core.Host(len(r.net.hosts)-1))
	return nil
}

// pulse tells the progress and looks whether to stop. Only every 4096th of a counted phase does.
func (r *run) pulse(phase string, done, total, n int) error {
	if n&0xfff != 0 {
		return nil
	}
	r.cfg.Progress(Progress{Phase: phase, Done: done, Total: total, At: r.net.clock(), Events: r.net.count.events})
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return nil
}

func (r *run) sum(v uint64) {
	var b [8]byte
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	_, _ = r.digest.Write(b[:]) // a hash never fails
}

// finish makes the result.
func (r *run) finish() *Result {
	res := &r.result
	res.Config, res.Expected = r.cfg, ExpectedHops(r.cfg.Routing, r.cfg.Nodes, r.cfg.Successors)
	res.Config.Progress = nil
	res.Hops = summarize(r.hops)
	slices.Sort(r.elapsed)
	if n := len(r.elapsed); n > 0 {
		var sum time.Duration
		for _, e := range r.elapsed {
			sum += e
		}
		res.Elapsed = Durations{sum / time.Duration(n), quantile(r.elapsed, 0.5), quantile(r.elapsed, 0.99)}
	}
	for h := range r.net.hosts {
		r.gather(core.Host(h))
	}
	res.Timeouts, res.CachesDropped = r.net.count.timeouts, r.net.count.dropped
	res.Keys = r.keys()
	res.Events, res.Virtual = r.net.count.events, r.net.clock()
	for _, v := range []uint64{r.net.count.messages, r.net.count.events, res.Timeouts, uint64(res.Keys.Max)} {
		r.sum(v)
	}
	res.Digest = fmt.Sprintf("%016x", r.digest.Sum64())
	return res
}

// keys spreads keys over the hosts that live at the end.
func (r *run) keys() Keys {
	refs := r.net.ordered()
	number := map[core.Host]core.Host{} // dense numbers for those that are left
	for i, x := range refs {
		if _, ok := number[x.Host]; !ok {
			number[x.Host] = core.Host(len(number))
		}
		refs[i].Host = number[x.Host]
	}
	return spreadKeys(refs, len(number), min(min(r.cfg.KeysPerNode, maxKeys)*len(number), maxKeys), r.rng)
}

// summarize makes the distribution of a histogram.
func summarize(histogram []int) Hops {
	h := Hops{Histogram: histogram}
	total, sum := 0, 0
	for hops, n := range histogram {
		total += n
		sum += hops * n
	}
	if total == 0 {
		return h
	}
	h.Mean = float64(sum) / float64(total)
	seen := 0
	for hops, n := range histogram {
		seen += n
		if seen*2 < total {
			h.P50 = hops + 1
		}
		if seen*100 < total*99 {
			h.P99 = hops + 1
		}
	}
	return h
}

// agenda is what churn has in store: who fails when.
type agenda queue

func (a *agenda) add(at int64, h core.Host) { (*queue)(a).push(event{at: at, host: uint32(h)}) }

// next returns the time of the next failure up to t, or t.
func (a agenda) next(t int64) (at int64, due bool) {
	if len(a) > 0 && a[0].at <= t {
		return a[0].at, true
	}
	return t, false
}

func (a *agenda) pop() core.Host { return core.Host((*queue)(a).pop().host) }
