package lab

import (
	"errors"
	"fmt"
	"math"
	"os/exec"
)

// build makes the machines. Where no shaping was asked for, namespaces are tried first, and Internal is what is left.
func (l *Lab) build(receivers int) (err error) {
	if l.cfg.Shaping != Internal {
		cause := namespacesMissing()
		if cause == nil {
			if l.net, cause = l.makeNamespaces(receivers); cause == nil {
				l.cfg.Shaping = NetNS
				return nil
			}
			l.closeNamespaces()
		}
		if l.cfg.Shaping == NetNS {
			return &MissingError{fmt.Sprintf("links cannot be shaped here: %v", cause), "run as root on Linux with iproute2, or let the members limit themselves: --shaping internal"}
		}
		l.warn("links cannot be shaped here, so the members limit themselves: %v", cause)
	}
	if l.client.noLoopback {
		return &MissingError{l.client.name + " refuses peers at 127.x addresses, and that is all there is without shaped links", "run as root on Linux with iproute2"}
	}
	l.cfg.Shaping = Internal
	if l.cfg.Policy == "cooperative" {
		l.warn("the members limit themselves here, and cooperative peers serve everybody only where no limit is set: with one, a few at a time, first who has least")
	}
	l.net = l.makeLoopback(receivers)
	return nil
}

// namespacesMissing says which program is missing, if one is.
func namespacesMissing() error {
	for _, program := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			return errors.New("there is no " + program + " (package iproute2)")
		}
	}
	return nil
}

// closeNamespaces lets go of all namespaces: without processes in them they vanish, and their links with them.
func (l *Lab) closeNamespaces() {
	for _, f := range l.namespaces {
		f.Close()
	}
	l.namespaces = nil
}

// closeTo is how much of what it was asked for a link has to carry, and busyShare how much of the processor may be in use,
// before the figures are suspected to be the machine's and not the swarm's.
const (
	closeTo   = 0.97
	busyShare = 0.90
)

// worstLink is the least share of what a link was asked for that it was seen to carry, and the sums of both over all links.
func (l *Lab) worstLink() (worst, asked, carried float64) {
	worst = math.Inf(1)
	for _, m := range l.net.peers {
		for _, link := range []rates{m.up, m.down} {
			if link.asked > 0 {
				asked, carried = asked+link.asked, carried+link.measured
				worst = min(worst, link.measured/link.asked)
			}
		}
	}
	return worst, asked, carried
}

// checkLinks warns of links that carry less than was asked for: the machine cannot do it.
func (l *Lab) checkLinks() {
	if worst, asked, carried := l.worstLink(); worst < closeTo {
		l.warn("the links carry %.1f MB/s of the %.1f MB/s asked for, the worst %.0f %%: that is more than this machine can do now; the bounds use what was measured",
			carried/1e6, asked/1e6, 100*worst)
	}
}
