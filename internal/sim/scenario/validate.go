package scenario

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Limits that keep a scenario within what a simulation can hold.
const (
	maxPieces      = 1 << 20
	maxHoldings    = 1 << 36   // peers x pieces: of each a bit has to be kept, 8 GiB of them
	maxPieceLength = 256 << 20 // bytes; core/swarm's limit
	maxClasses     = 64        // tables and matrices by class stay readable
	maxSlots       = 10_000
	maxSize        = 1 << 50                   // bytes: sums of all transfers stay within int64
	maxRate        = 1e9                       // arrivals a second: a nanosecond is the unit of time
	maxTime        = 10 * 365 * 24 * time.Hour // so that times can be added
)

// Validate checks all fields. An error is one line that names the key of the file.
func (sc *Scenario) Validate() error {
	switch {
	case sc.Size <= 0:
		return fmt.Errorf("size: want the bytes of the content, got %d", sc.Size)
	case sc.Size > maxSize:
		return fmt.Errorf("size: %d is too large, at most %d", sc.Size, int64(maxSize))
	case sc.PieceLength <= 0 || sc.PieceLength > maxPieceLength:
		return fmt.Errorf("piece-size: want 1 to %d bytes, got %d", maxPieceLength, sc.PieceLength)
	case (sc.Size-1)/sc.PieceLength >= maxPieces:
		return fmt.Errorf("piece-size: pieces of %d bytes are %d pieces, at most %d can be simulated: want at least %d bytes",
			sc.PieceLength, (sc.Size-1)/sc.PieceLength+1, maxPieces, (sc.Size-1)/maxPieces+1)
	case sc.Degree < 0:
		return fmt.Errorf("degree: want 0 (everybody) or a number of neighbours, got %d", sc.Degree)
	case sc.Slots < 0 || sc.Slots > maxSlots:
		return fmt.Errorf("slots: want 0 (the default) to %d, got %d", maxSlots, sc.Slots)
	case sc.Shaping != ByLimit && sc.Shaping != ByLink:
		return fmt.Errorf("shaping: want limit or link, got %q", sc.Shaping)
	case sc.Exchange != BySlots && sc.Exchange != Serial && sc.Exchange != Rounds:
		return fmt.Errorf("exchange: want slots, serial or rounds, got %q", sc.Exchange)
	case len(sc.Classes) == 0:
		return fmt.Errorf("class: want at least one [[class]] of peers")
	case len(sc.Classes) > maxClasses:
		return fmt.Errorf("class: %d of them, at most %d", len(sc.Classes), maxClasses)
	}
	if err := checkTimes("", limit{"latency", sc.Latency}, limit{"tracker", sc.Tracker}, limit{"until", sc.Until}); err != nil {
		return err
	}
	if err := sc.Server.validate(); err != nil {
		return err
	}
	return sc.validateClasses()
}

func (s *Server) validate() error {
	switch {
	case s.Count < 0 || s.Count > MaxPeers:
		return fmt.Errorf("server.count: want 1 or more, got %d", s.Count)
	case s.Up <= 0:
		return fmt.Errorf("server.up: want the rate at which the server uploads, got %d", s.Up)
	case s.Down < 0:
		return fmt.Errorf("server.down: want a rate or 0 (no limit), got %d", s.Down)
	case !(s.Copies >= 0) || math.IsInf(s.Copies, 0):
		return fmt.Errorf("server.leave-after-copies: want a number of copies or 0 (never), got %v", s.Copies)
	}
	return checkTimes("server.", limit{"leave-at", s.Stay})
}

func (sc *Scenario) validateClasses() error {
	total := sc.Servers()
	names := map[string]bool{"server": true}
	for i := range sc.Classes {
		c := &sc.Classes[i]
		if err := c.validate(sc); err != nil {
			return fmt.Errorf("class %q: %w", c.Name, err)
		}
		if names[c.Name] {
			return fmt.Errorf("class %q: the name is taken already", c.Name)
		}
		names[c.Name] = true
		total += c.expected(sc)
	}
	if total > MaxPeers {
		return fmt.Errorf("count: %d peers in all, at most %d", total, MaxPeers)
	}
	if pieces := sc.Pieces(); total > maxHoldings/pieces {
		return fmt.Errorf("piece-size: %d pieces at %d peers are too much to keep account of: with so many peers at most %d pieces", pieces, total, maxHoldings/total)
	}
	return nil
}

func (c *Class) validate(sc *Scenario) error {
	switch {
	case c.Name == "" || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("name: want a line of text, got %q", c.Name)
	case c.Count < 0 || c.Count > MaxPeers:
		return fmt.Errorf("count: want 0 to %d, got %d", MaxPeers, c.Count)
	case c.Up < 0 || c.Up == 0 && c.Strategy == Honest:
		return fmt.Errorf("up: want the rate at which each uploads, got %d", c.Up)
	case c.Down < 0:
		return fmt.Errorf("down: want a rate or 0 (no limit), got %d", c.Down)
	case c.Degree < 0:
		return fmt.Errorf("degree: want 0 (the scenario's) or a number of neighbours, got %d", c.Degree)
	case !(c.Have >= 0 && c.Have < 1):
		return fmt.Errorf("have: want a share from 0 to less than 1, got %v", c.Have)
	case !(c.Fail >= 0 && c.Fail <= 1):
		return fmt.Errorf("fail: want the chance of a failure in a second, from 0 to 1, got %v", c.Fail)
	case !slices.Contains([]Strategy{Honest, FreeRider, Thief}, c.Strategy):
		return fmt.Errorf("strategy: want honest, free-rider or thief, got %q", c.Strategy)
	}
	if err := c.Leave.validate(); err != nil {
		return err
	}
	return c.Arrive.validate(c.Count, sc.Until)
}

func (l *Leave) validate() error {
	switch l.Kind {
	case "", Never, AtCompletion:
		if l.Stay != 0 || l.Random {
			return fmt.Errorf("leave.stay: only with kind = %q", AfterTime)
		}
		return nil
	case AfterTime:
		return checkTimes("leave.", limit{"stay", l.Stay})
	}
	return fmt.Errorf("leave.kind: want %s, %s or %s, got %q", Never, AtCompletion, AfterTime, l.Kind)
}

// validate checks a process of arrivals of count peers until a time (0 = no end).
func (a *Arrival) validate(count int, until time.Duration) error {
	if err := checkTimes("arrive.", limit{"at", a.At}, limit{"within", a.Within}); err != nil {
		return err
	}
	kind := cmp.Or(a.Kind, AtOnce)
	switch {
	case !slices.Contains([]ArrivalKind{AtOnce, Poisson, FlashCrowd, Trace}, kind):
		return fmt.Errorf("arrive.kind: want %s, %s, %s or %s, got %q", AtOnce, Poisson, FlashCrowd, Trace, kind)
	case kind == Poisson && !(a.Rate > 0 && a.Rate < maxRate):
		return fmt.Errorf("arrive.rate: want the peers that come in a second, more than 0 and less than %g, got %g", float64(maxRate), a.Rate)
	case kind == Poisson && until == 0 && a.At.Seconds()+float64(count)/a.Rate > maxTime.Seconds():
		return fmt.Errorf("arrive.rate: with %g a second the last of %d would come after ten years, the most that is simulated: want a higher rate, or until",
			a.Rate, count)
	case kind != Poisson && a.Rate != 0:
		return fmt.Errorf("arrive.rate: only with kind = %q", Poisson)
	case kind == FlashCrowd && a.Within == 0:
		return fmt.Errorf("arrive.within: want the time in which the rate of arrivals falls to 1/e")
	case (kind == Poisson || kind == Trace) && a.Within != 0:
		return fmt.Errorf("arrive.within: only with kind = %q or %q", AtOnce, FlashCrowd)
	case kind == Trace && a.At != 0:
		return fmt.Errorf("arrive.at: the trace has all times already")
	case kind == Trace && len(a.Trace) == 0:
		return fmt.Errorf("arrive.trace: no arrival in it")
	case kind == Poisson && count == 0 && until == 0:
		return fmt.Errorf("count: give it, or until, for arrivals that do not end")
	case (kind == AtOnce || kind == FlashCrowd) && count == 0:
		return fmt.Errorf("count: want the number of peers")
	}
	for _, at := range a.Trace {
		if at < 0 || at > maxTime {
			return fmt.Errorf("arrive.trace: %v is not within ten years", at)
		}
	}
	return nil
}

// limit is a time with the name of its key.
type limit struct {
	key string
	at  time.Duration
}

func checkTimes(table string, times ...limit) error {
	for _, t := range times {
		if t.at < 0 || t.at > maxTime {
			return fmt.Errorf("%s%s: want 0 to ten years, got %v", table, t.key, t.at)
		}
	}
	return nil
}
