package tracker

import (
	"context"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/eddy-p2p/eddy/internal/core/roster"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

var (
	//go:embed redis_announce.lua
	announceSource string
	//go:embed redis_sweep.lua
	sweepSource string

	announceScript = rueidis.NewLuaScript(announceSource)
	sweepScript    = rueidis.NewLuaScript(sweepSource)
)

// Bounds of one exchange with Redis: well below the 15 seconds after which a peer asks again over UDP (BEP 15).
const (
	redisTimeout  = time.Second
	redisWriteFor = 2 * time.Second // without an answer to anything, then the connection is replaced
)

// Keys outside of swarms. All keys begin with "eddy:".
const (
	keySwarms = "eddy:swarms"
	keyBooked = "eddy:booked"
	keyPeers  = "eddy:peers"
)

var errBackingOff = errors.New("the store did not answer shortly before")

// redisStore is the store that several servers share. An announce is one script, hence one round trip; concurrent ones
// share packets.
type redisStore struct {
	cfg    roster.Config // settled
	option rueidis.ClientOption
	log    *slog.Logger
	pause  pause

	peers, swarms atomic.Int64 // as of the last answer

	mu     sync.Mutex
	client rueidis.Client // nil until first reached
	missed time.Time      // when it was last not reached
}

// newRedisStore returns a store that connects when it is first asked.
func newRedisStore(rawURL string, cfg roster.Config, log *slog.Logger) (*redisStore, error) {
	option, err := redisOption(rawURL)
	if err != nil {
		return nil, err
	}
	return &redisStore{cfg: cfg, option: option, log: log}, nil
}

// connected returns the client, after making it if need be. Once made, it connects again by itself.
func (r *redisStore) connected() (rueidis.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		if time.Since(r.missed) < pauseLow {
			return nil, errBackingOff // who waited for another's attempt has its result
		}
		c, err := rueidis.NewClient(r.option)
		if err != nil {
			r.missed = time.Now()
			return nil, err
		}
		r.client = c
	}
	return r.client, nil
}

// ask runs f with the client, unless Redis has just failed: then it fails at once, and one in a while tries.
func (r *redisStore) ask(f func(context.Context, rueidis.Client) error) error {
	if !r.pause.allows(time.Now()) {
		return errBackingOff
	}
	c, err := r.connected()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), redisTimeout)
		defer cancel()
		err = f(ctx, c)
	}
	if err != nil {
		if r.pause.failed(time.Now()) {
			r.log.Error("tracker: the shared store does not answer; announces are refused until it does", "err", err)
		}
		return fmt.Errorf("asking Redis: %w", err)
	}
	if r.pause.succeeded() {
		r.log.Info("tracker: the shared store answers again")
	}
	return nil
}

// announce implements store.
func (r *redisStore) announce(req *announce.Request, from netip.AddrPort, list bool, limit int, buf []byte) (reply roster.Reply, err error) {
	keys, args := r.announceCall(req, from, list, limit)
	err = r.ask(func(ctx context.Context, c rueidis.Client) error {
		fields, err := announceScript.Exec(ctx, c, keys, args).ToArray()
		if err == nil {
			buf, err = r.readReply(fields, &reply, buf)
		}
		return err
	})
	if err != nil {
		return roster.Reply{}, err
	}
	reply.Interval, reply.MinInterval = r.cfg.Intervals(reply.Complete + reply.Incomplete)
	switch {
	case req.Event == announce.Stopped && list:
	case from.Addr().Unmap().Is4():
		reply.Compact4 = buf
	default:
		reply.Compact6 = buf
	}
	return reply, nil
}

// readReply fills in what the script returned, but for the peers, which it appends to buf.
func (r *redisStore) readReply(fields []rueidis.RedisMessage, reply *roster.Reply, buf []byte) ([]byte, error) {
	if len(fields) != 7 {
		return buf, fmt.Errorf("the script answered with %d fields", len(fields))
	}
	var n [6]int64
	for i := range n {
		var err error
		if n[i], err = fields[i].AsInt64(); err != nil {
			return buf, err
		}
	}
	chosen, err := fields[6].ToString()
	if err != nil {
		return buf, err
	}
	reply.Full = n[0] == 1
	reply.Complete, reply.Incomplete, reply.Downloaded = int(n[1]), int(n[2]), int(n[3])
	r.peers.Store(n[4])
	r.swarms.Store(n[5])
	return append(buf, chosen...), nil
}

// announceCall returns the keys and arguments of an announce; redis_announce.lua names them.
func (r *redisStore) announceCall(req *announce.Request, from netip.AddrPort, list bool, limit int) (keys, args []string) {
	mode := "join"
	switch {
	case !list:
		mode = "look"
	case req.Event == announce.Stopped:
		mode = "leave"
	}
	peer := announce.AppendPeer(make([]byte, 0, announce.Stride6), from)
	prefix := ""
	if _, limited := roster.Prefix(peer); limited {
		prefix = string(peer[:3])
		if len(peer) == announce.Stride6 {
			prefix = string(peer[:8])
		}
	}
	want := req.NumWant
	if want < 0 {
		want = r.cfg.NumWant
	}
	want = max(0, min(want, r.cfg.MaxNumWant, limit))
	flag := func(b bool) string {
		if b {
			return "1"
		}
		return "0"
	}
	own, other := "4", "6"
	if len(peer) == announce.Stride6 {
		own, other = other, own
	}
	base := swarmKeys(req.InfoHash)
	keys = []string{base + "s" + own, base + "l" + own, base + "p" + own, base + "s" + other, base + "l" + other, base + "p" + other,
		base + "d", keySwarms, keyBooked, keyPeers}
	args = []string{mode, string(peer), flag(req.Left == 0), flag(req.Event == announce.Completed), r.lifetime(), strconv.Itoa(want),
		strconv.Itoa(r.cfg.MaxSwarmPeers), strconv.Itoa(r.cfg.MaxPrefixPeers), strconv.Itoa(r.cfg.MaxPeers), strconv.Itoa(r.cfg.MaxSwarms),
		prefix, hex.EncodeToString(req.InfoHash[:])}
	return keys, args
}

// lifetime is how long a peer is remembered, in seconds.
func (r *redisStore) lifetime() string { return strconv.Itoa(int(r.cfg.Lifetime / time.Second)) }

// swarmKeys is how the keys of a swarm begin. Seeders, leechers and prefixes follow as s, l and p with the family's number,
// completions as d.
func swarmKeys(hash [20]byte) string { return "eddy:" + hex.EncodeToString(hash[:]) + ":" }

// scrape implements store: one pipeline for all torrents.
func (r *redisStore) scrape(rows []announce.Counts, hashes [][20]byte) ([]announce.Counts, error) {
	if len(hashes) == 0 {
		return rows, nil
	}
	err := r.ask(func(ctx context.Context, c rueidis.Client) error {
		commands := make(rueidis.Commands, 0, 5*len(hashes))
		for _, h := range hashes {
			base := swarmKeys(h)
			for _, set := range [...]string{"s4", "s6", "l4", "l6"} {
				commands = append(commands, c.B().Zcard().Key(base+set).Build())
			}
			commands = append(commands, c.B().Get().Key(base+"d").Build())
		}
		results := c.DoMulti(ctx, commands...)
		for i := 0; i+5 <= len(results); i += 5 {
			var n [5]int64
			for j := range n {
				var err error
				if n[j], err = results[i+j].AsInt64(); err != nil && !rueidis.IsRedisNil(err) {
					return err
				}
			}
			rows = append(rows, announce.Counts{Complete: int(n[0] + n[1]), Incomplete: int(n[2] + n[3]), Downloaded: int(n[4])})
		}
		return nil
	})
	return rows, err
}

// maxSweeps bounds how long one expire works; the next goes on.
const maxSweeps = 100

// expire implements store. Errors are logged where they begin, and the next call does what this one did not.
func (r *redisStore) expire() {
	for range maxSweeps {
		var n [3]int64
		err := r.ask(func(ctx context.Context, c rueidis.Client) error {
			fields, err := sweepScript.Exec(ctx, c, []string{keySwarms, keyBooked, keyPeers}, []string{r.lifetime()}).AsIntSlice()
			if err == nil && len(fields) != len(n) {
				err = fmt.Errorf("the script answered with %d fields", len(fields))
			}
			copy(n[:], fields)
			return err
		})
		if err != nil {
			return
		}
		r.peers.Store(n[1])
		r.swarms.Store(n[2])
		if n[0] == 0 {
			return
		}
	}
}

func (r *redisStore) totals() (peers, swarms int64) { return r.peers.Load(), r.swarms.Load() }

func (r *redisStore) remote() bool { return true }

func (r *redisStore) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		r.client.Close()
	}
}
