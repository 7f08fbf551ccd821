package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	// calibrateWarm is how long a flow runs before it counts, so that TCP has found the rate and the shaper's bucket is empty.
	calibrateWarm = 1500 * time.Millisecond

	// flowPatience is how long a flow tries to reach the hub over a link that may have been made a moment ago.
	flowPatience = 5 * time.Second

	// calibrateFor is how long it counts.
	calibrateFor = 4 * time.Second

	// flowBuffer is what a flow writes and reads at once.
	flowBuffer = 64 << 10
)

// meter measures the rate of one flow between two moments, from read to read, so that the size of a read does not matter.
type meter struct {
	from, to    time.Time // what is read before and after does not count
	first, last time.Time
	bytes       int64
}

func newMeter(start time.Time) *meter {
	return &meter{from: start.Add(calibrateWarm), to: start.Add(calibrateWarm + calibrateFor)}
}

// read says that n bytes were read at a moment.
func (m *meter) read(at time.Time, n int) {
	switch {
	case at.Before(m.from), at.After(m.to):
	case m.first.IsZero():
		m.first, m.last = at, at // its bytes came before it
	default:
		m.last = at
		m.bytes += int64(n)
	}
}

// rate is bytes/s; 0 when too little came to tell.
func (m *meter) rate() float64 {
	if span := m.last.Sub(m.first).Seconds(); span > 0 {
		return float64(m.bytes) / span
	}
	return 0
}

// calibrate measures what the links carry: one long flow over each, all at once, from all machines to the hub, and where
// downloads are shaped from the hub to all machines. A machine that is busy with other things makes a flow slower, never faster:
// so the best of some rounds counts, and one suffices when it shows what was asked for.
func (l *Lab) calibrate(ctx context.Context) error {
	return l.calibrateBy(func(direction string) (map[netip.Addr]float64, error) { return l.measureLinks(ctx, l.net, direction) })
}

// calibrateBy does it with what measures the links in one direction.
func (l *Lab) calibrateBy(measure func(direction string) (map[netip.Addr]float64, error)) error {
	for round := range calibrateRounds {
		text := fmt.Sprintf("calibrating %d links", len(l.net.peers))
		if round > 0 {
			text += ", once more"
		}
		l.step(Step{What: text, Expected: calibrateWarm + calibrateFor})
		if err := l.calibrateOnce(measure); err != nil {
			return err
		}
		if worst, _, _ := l.worstLink(); worst >= calibrated {
			break
		}
	}
	l.checkLinks()
	return nil
}

const (
	// calibrateRounds is how often a calibration is tried.
	calibrateRounds = 3

	// calibrated is the share of what was asked for that the worst link has to show to be believed at once.
	calibrated = 0.998
)

// calibrateOnce is one round of a calibration.
func (l *Lab) calibrateOnce(measure func(direction string) (map[netip.Addr]float64, error)) error {
	up, err := measure(flowSend)
	if err != nil {
		return err
	}
	for i := range l.net.peers {
		m := &l.net.peers[i]
		m.up.measured = max(m.up.measured, up[m.addr])
	}
	if l.cfg.Down == 0 {
		return nil
	}
	down, err := measure(flowReceive)
	if err != nil {
		return err
	}
	for i := range l.net.peers[1:] {
		m := &l.net.peers[1+i]
		m.down.measured = max(m.down.measured, down[m.addr])
	}
	return nil
}

// calibrateLimit is when a calibration has failed.
const calibrateLimit = time.Minute

// measureLinks runs a flow between the hub and every machine and returns their rates. direction is the machines'.
func (l *Lab) measureLinks(ctx context.Context, network *network, direction string) (map[netip.Addr]float64, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, calibrateLimit, fmt.Errorf("the flows did not end within %v", calibrateLimit))
	defer cancel()
	var listener net.Listener
	err := l.starter.in(network.hub.ns, func() (err error) {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(network.hub.addr, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening at the hub: %w", err)
	}
	defer listener.Close()
	machines := network.peers
	if direction == flowReceive {
		machines = machines[1:]
	}
	flows := &flows{rates: make(map[netip.Addr]float64)}
	var processes []*process
	for i := range machines {
		p, err := l.startFlow(&machines[i], direction, listener.Addr().String(), flows)
		if err != nil {
			return nil, err
		}
		defer p.kill()
		processes = append(processes, p)
		go func() {
			if <-p.ended; p.err != nil {
				fail(p.failure())
			}
		}()
	}
	if err := flows.run(ctx, listener, len(machines), direction); err != nil {
		return nil, fmt.Errorf("calibrating: %w", err)
	}
	for _, p := range processes {
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
	return flows.rates, flows.err
}

// startFlow starts the machine's end of a flow.
func (l *Lab) startFlow(m *machine, direction, hub string, flows *flows) (*process, error) {
	limit := m.up.asked
	if direction == flowReceive {
		limit = m.down.asked
	}
	return l.launch("the flow of "+m.name, m.ns, l.role(m, limit, "flow", direction, hub, m.addr.String()), nil,
		func(_ time.Time, line []byte) { flows.told(m.addr, line) })
}

// flows are the flows of one calibration.
type flows struct {
	mu    sync.Mutex
	rates map[netip.Addr]float64
	err   error
}

// set keeps the rate of a flow.
func (f *flows) set(addr netip.Addr, rate float64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rates[addr], f.err = rate, errors.Join(f.err, err)
}

// told keeps the rate that a machine measured and printed.
func (f *flows) told(addr netip.Addr, line []byte) {
	rate, err := strconv.ParseFloat(string(line), 64)
	f.set(addr, rate, err)
}

// run accepts n connections and lets all of them transfer at once, for as long as a calibration takes. Whoever reads measures.
func (f *flows) run(ctx context.Context, listener net.Listener, n int, direction string) error {
	conns := make(map[netip.Addr]net.Conn)
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for len(conns) < n {
		c, err := listener.Accept()
		if err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { c.Close() })()
		conns[c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()] = c
	}
	start := time.Now()
	var wg sync.WaitGroup
	for addr, c := range conns {
		wg.Go(func() {
			defer c.Close()
			if direction == flowReceive {
				fill(c, start.Add(2*(calibrateWarm+calibrateFor)))
				return
			}
			if _, err := c.Write([]byte{1}); err != nil { // all begin together
				f.set(addr, 0, err)
				return
			}
			rate, err := drain(c, start)
			f.set(addr, rate, err)
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// drain reads until the measuring is over and returns the rate.
func drain(c net.Conn, start time.Time) (float64, error) {
	m := newMeter(start)
	if err := c.SetReadDeadline(m.to); err != nil {
		return 0, err
	}
	buf := make([]byte, flowBuffer)
	for {
		n, err := c.Read(buf)
		m.read(time.Now(), n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return m.rate(), nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// fill writes until a moment, or until the other end has enough and closes.
func fill(c net.Conn, until time.Time) {
	buf := make([]byte, flowBuffer)
	for c.SetWriteDeadline(until) == nil {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// The directions of a flow, as the machine sees it.
const (
	flowSend    = "send"
	flowReceive = "receive"
)

// Flow is the machine's end, at the address source, of one flow of a calibration with the hub, held to limit bytes/s (0: by its link alone). The rate of
// what it receives is printed to out.
func Flow(ctx context.Context, direction, hub, source string, limit int64, out io.Writer) error {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	c, err := dialer.DialContext(ctx, "tcp4", hub)
	for until := time.Now().Add(flowPatience); err != nil && ctx.Err() == nil && time.Now().Before(until); {
		time.Sleep(100 * time.Millisecond) // the link was made a moment ago
		c, err = dialer.DialContext(ctx, "tcp4", hub)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // the sign to begin
		return err
	}
	if limit > 0 {
		c = &pacedConn{c, newPacer(limit), newPacer(limit)}
	}
	if direction == flowSend {
		fill(c, time.Now().Add(2*(calibrateWarm+calibrateFor)))
		return nil
	}
	rate, err := drain(c, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, rate)
	return err
}
