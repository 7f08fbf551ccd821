package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// machine is one computer of the lab: an address, and the namespace it is in.
type machine struct {
	name string
	addr netip.Addr
	ns   *os.File // nil with internal shaping: all machines are addresses of this one
	up   rates
	down rates // zero = not limited
}

// rates is what a link was asked for and what it turned out to carry, in bytes/s of payload.
type rates struct {
	asked, measured float64
}

// network is the machines and what connects them: each has a link whose upload is shaped to the hub, which routes between them and
// is not shaped itself: the tracker and the sink of the calibration are there. Routed and not bridged, so that a machine
// has one neighbour, whoever it talks to: the kernel counts the neighbours of all namespaces together, 1,024 by default, and 36
// machines that all talk to each other had 1,260.
type network struct {
	hub   machine
	peers []machine // [0] is the server
}

const (
	// linkBurst is the depth of a shaper's bucket: small, so that a link gives nothing in advance.
	linkBurst = 16 << 10

	// linkDelay is the longest that a packet waits at a shaper; what would wait longer is dropped, as in the modem at home.
	// Real modems are rather worse.
	linkDelay = "200ms"

	// Of the bytes on the link that the shaper counts, mtuWire carry mtuPayload of content: Ethernet, IP and TCP with timestamps.
	// It only brings the rates near to those asked for; the bound uses what is measured.
	mtuWire, mtuPayload = 1514.0, 1448.0

	// congestion is the congestion control of all machines, whatever this one prefers: Linux's default.
	congestion = "cubic"
)

// hubAddr is the first address of the lab's network; the peers follow.
var hubAddr = netip.MustParseAddr("10.77.0.1")

// makeLoopback makes the hub, the server and n receivers addresses of this machine, other ones than those of a lab beside this one.
func (l *Lab) makeLoopback(n int) *network {
	block := byte(1 + os.Getpid()%254)
	net := &network{hub: machine{name: "hub", addr: netip.AddrFrom4([4]byte{127, block, 0, 1})}}
	addr := netip.AddrFrom4([4]byte{127, block, 1, 0})
	for i := range n + 1 {
		addr = addr.Next()
		net.peers = append(net.peers, l.newMachine(i, addr))
	}
	return net
}

// newMachine is machine i as it was asked for.
func (l *Lab) newMachine(i int, addr netip.Addr) machine {
	m := machine{name: peerName(i), addr: addr, up: rates{asked: float64(l.cfg.Up)}, down: rates{asked: float64(l.cfg.Down)}}
	if i == 0 {
		m.up.asked, m.down.asked = float64(l.cfg.Server), 0
	}
	return m
}

// makeNamespaces makes the hub, the server and n receivers network namespaces with links.
func (l *Lab) makeNamespaces(n int) (*network, error) {
	hub, err := l.starter.namespace()
	if err != nil {
		return nil, err
	}
	net := &network{hub: machine{name: "hub", addr: hubAddr, ns: hub}}
	l.namespaces = append(l.namespaces, hub)
	if err := l.ip(hub, "link set lo up", "addr add "+hubAddr.String()+"/32 dev lo"); err != nil {
		return nil, err
	}
	if err := l.command(hub, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"); err != nil {
		return nil, err
	}
	addr := netip.MustParseAddr("10.77.1.0")
	for i := range n + 1 {
		addr = addr.Next()
		m := l.newMachine(i, addr)
		if m.ns, err = l.starter.namespace(); err != nil {
			return nil, err
		}
		l.namespaces = append(l.namespaces, m.ns)
		if err := l.connect(hub, &m, i); err != nil {
			return nil, err
		}
		net.peers = append(net.peers, m)
	}
	return net, nil
}

func peerName(i int) string {
	if i == 0 {
		return "server"
	}
	return "peer " + strconv.Itoa(i)
}

// connect plugs a machine into the hub and shapes its link.
func (l *Lab) connect(hub *os.File, m *machine, i int) error {
	port := fmt.Sprintf("port%d", i)
	// Children see our files under our number.
	inside := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), m.ns.Fd())
	if err := l.ip(hub, "link add "+port+" type veth peer name eth0 netns "+inside, "link set "+port+" up",
		"route add "+m.addr.String()+"/32 dev "+port+" src "+hubAddr.String()); err != nil {
		return err
	}
	// By the route, since a namespace may not choose every congestion control as its default.
	from := " dev eth0 src " + m.addr.String() + " congctl " + congestion
	if err := l.ip(m.ns, "link set lo up", "addr add "+m.addr.String()+"/32 dev eth0", "link set eth0 up",
		"route add "+hubAddr.String()+"/32"+from, "route add 10.77.0.0/16 via "+hubAddr.String()+from); err != nil {
		return err
	}
	if err := l.shape(m.ns, "eth0", m.up.asked); err != nil {
		return err
	}
	if m.down.asked > 0 {
		return l.shape(hub, port, m.down.asked)
	}
	return nil
}

// shape lets a link send so many bytes/s of payload, or about that.
func (l *Lab) shape(ns *os.File, link string, payload float64) error {
	rate := strconv.FormatInt(int64(payload*mtuWire/mtuPayload), 10)
	// tc's bps is bytes a second.
	return l.command(ns, "tc", "qdisc", "replace", "dev", link, "root", "tbf", "rate", rate+"bps", "burst", strconv.Itoa(linkBurst), "latency", linkDelay)
}

// ip runs commands of ip in a namespace, all by one process.
func (l *Lab) ip(ns *os.File, commands ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	return l.runTool(ns, cmd)
}

func (l *Lab) command(ns *os.File, name string, args ...string) error {
	return l.runTool(ns, exec.Command(name, args...))
}

// runTool runs a command that prints only complaints.
func (l *Lab) runTool(ns *os.File, cmd *exec.Cmd) error {
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	err := l.starter.start(ns, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(text.String()))
	}
	return nil
}

// Traffic is what a shaper has sent, as the kernel counts: bytes with all headers.
type Traffic struct {
	Bytes   int64 `json:"bytes"`
	Packets int64 `json:"packets"`
	Drops   int64 `json:"drops"`
	Backlog int64 `json:"backlog"`
}

// sent reads the counters of a machine's upload shaper.
func (l *Lab) sent(m *machine) (Traffic, error) {
	cmd := exec.Command("tc", "-s", "-j", "qdisc", "show", "dev", "eth0", "root")
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := l.starter.start(m.ns, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return Traffic{}, fmt.Errorf("reading the counters of %s: %w: %s", m.name, err, strings.TrimSpace(complaint.String()))
	}
	var qdiscs []Traffic
	if err := json.Unmarshal([]byte(out.String()), &qdiscs); err != nil || len(qdiscs) == 0 {
		return Traffic{}, fmt.Errorf("reading the counters of %s: tc printed %q", m.name, out.String())
	}
	return qdiscs[0], nil
}

// role is a hidden command of ours for machine m. Where its link is not shaped, the command keeps to limit bytes/s itself.
func (l *Lab) role(m *machine, limit float64, args ...string) *exec.Cmd {
	args = append([]string{"lab"}, args...)
	if m.ns == nil && limit > 0 {
		args = append(args, "--limit", strconv.FormatInt(int64(limit), 10))
	}
	cmd := eddyCommand(l.cfg.Executable, args...)
	cmd.Env = append(cleanEnvironment(), "XDG_CONFIG_HOME="+l.scratch.dir)
	return cmd
}

// cleanEnvironment is ours without the user's settings for eddy, which must not count.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EDDY_") })
}

// since is the traffic from before to t.
func (t Traffic) since(before Traffic) Traffic {
	return Traffic{t.Bytes - before.Bytes, t.Packets - before.Packets, t.Drops - before.Drops, t.Backlog}
}
