//go:build !linux

package lab

import (
	"errors"
	"os"
	"os/exec"
)

// starter starts processes. Network namespaces are Linux's.
type starter struct{}

var errNoNamespaces = errors.New("lab: network namespaces are Linux's")

func newStarter() (*starter, error) { return &starter{}, nil }

func (s *starter) close() {}

func (s *starter) in(ns *os.File, f func() error) error {
	if ns != nil {
		return errNoNamespaces
	}
	return f()
}

func (s *starter) start(ns *os.File, cmd *exec.Cmd) error { return s.in(ns, cmd.Start) }

func (s *starter) namespace() (*os.File, error) { return nil, errNoNamespaces }

func killTree(p *os.Process) { _ = p.Kill() }
