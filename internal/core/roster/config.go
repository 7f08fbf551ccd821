package roster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Config sets a roster's bounds. The zero value of each field but Rand stands for the default that its comment names.
type Config struct {
	// IntervalLow and IntervalHigh bound how long peers are told to wait between announces; the larger the swarm, the
	// longer. Defaults: 27 and 33 minutes.
	IntervalLow, IntervalHigh time.Duration

	// MinInterval is the least wait that peers of a small swarm are told to keep when they want more peers. It grows to
	// half of the interval. Default: a sixth of IntervalLow.
	MinInterval time.Duration

	// Lifetime is how long a peer stays listed after its last announce. At least IntervalHigh; default twice that and a
	// minute.
	Lifetime time.Duration

	NumWant    int // peers given to who does not say how many; default 50
	MaxNumWant int // peers given at most, at most 256; default 200

	MaxPeers      int // listed in all; default 10 million
	MaxSwarms     int // default 2 million
	MaxSwarmPeers int // listed in one swarm; default 2 million

	// MaxPrefixPeers is how many peers of one public /24 (IPv4) or /64 (IPv6) a swarm lists, so that one host cannot fill it
	// with itself. Private and loopback addresses are not limited. Default 1000: offices behind one address are real.
	MaxPrefixPeers int

	// Rand is the source of all choices. Required.
	Rand *rand.Rand
}

// Settle returns c with the defaults in place of zeros: for who keeps peers elsewhere by the same rules. Errors are those of New.
func (c Config) Settle() (Config, error) {
	c = c.withDefaults()
	return c, c.validate()
}

// fullSwarm is the number of peers from which on the interval is at its upper bound.
const fullSwarm = 256

// Intervals returns how long a peer of a swarm of n is to wait between announces, and at least before any, in whole
// seconds. They grow with the swarm from the lower to the upper bound: a young swarm has to find itself, a large one must
// not overrun the tracker. c is settled.
func (c *Config) Intervals(n int) (interval, again time.Duration) {
	low, high := c.IntervalLow, c.IntervalHigh
	n = min(n, fullSwarm)
	interval = low + (high-low)/fullSwarm*time.Duration(n)
	// Jitter of a tenth either way keeps peers that came together from coming together for ever.
	interval += time.Duration((c.Rand.Float64() - 0.5) * 0.2 * float64(interval))
	interval = min(max(interval, low), high).Truncate(time.Second)
	again = c.MinInterval + max(0, interval/2-c.MinInterval)/fullSwarm*time.Duration(n)
	return interval, min(again, interval).Truncate(time.Second)
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	switch {
	case c.IntervalLow == 0 && c.IntervalHigh == 0:
		c.IntervalLow, c.IntervalHigh = 27*time.Minute, 33*time.Minute
	case c.IntervalLow == 0:
		c.IntervalLow = c.IntervalHigh
	case c.IntervalHigh == 0:
		c.IntervalHigh = c.IntervalLow
	}
	if c.MinInterval == 0 {
		c.MinInterval = c.IntervalLow / 6
	}
	if c.Lifetime == 0 {
		c.Lifetime = 2*c.IntervalHigh + time.Minute
	}
	def(&c.NumWant, 50)
	def(&c.MaxNumWant, 200)
	def(&c.MaxPeers, 10_000_000)
	def(&c.MaxSwarms, 2_000_000)
	def(&c.MaxSwarmPeers, 2_000_000)
	def(&c.MaxPrefixPeers, 1000)
	return c
}

func (c *Config) validate() error {
	switch {
	case c.Rand == nil:
		return errors.New("roster: Rand is nil")
	case c.IntervalLow < time.Second || c.IntervalHigh < c.IntervalLow || c.IntervalHigh > 24*time.Hour:
		return fmt.Errorf("roster: intervals from %v to %v are not within 1s to 24h in rising order", c.IntervalLow, c.IntervalHigh)
	case c.MinInterval < 0 || c.MinInterval > c.IntervalLow:
		return fmt.Errorf("roster: the min interval %v is above the interval %v", c.MinInterval, c.IntervalLow)
	case c.Lifetime < c.IntervalHigh:
		return fmt.Errorf("roster: peers would be forgotten after %v, before they announce again", c.Lifetime)
	case c.NumWant < 0 || c.MaxNumWant < 0 || c.MaxNumWant > 256:
		return fmt.Errorf("roster: numwant %d and %d are not within 0 to 256", c.NumWant, c.MaxNumWant)
	case c.MaxPeers < 0 || c.MaxSwarms < 0 || c.MaxSwarmPeers < 0 || c.MaxPrefixPeers < 0:
		return errors.New("roster: a limit is negative")
	}
	return nil
}
