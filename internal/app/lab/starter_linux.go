package lab

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// starter starts all processes and opens all sockets of a lab from one operating-system thread of its own, for two reasons.
// A network namespace belongs to a thread: what the thread starts or opens while it is inside stays inside. And the kernel
// kills a child when the thread that started it ends (PR_SET_PDEATHSIG): so the children of a lab cannot outlive it, not
// even when it is killed.
type starter struct {
	jobs chan func()
	home *os.File // the network namespace that the thread came from
}

func newStarter() (*starter, error) {
	s := &starter{jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		// Never unlocked: when the goroutine returns the thread ends.
		runtime.LockOSThread()
		var err error
		s.home, err = os.Open("/proc/thread-self/ns/net")
		ready <- err
		if err != nil {
			return
		}
		for job := range s.jobs {
			job()
		}
		s.home.Close()
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("lab: finding our network namespace: %w", err)
	}
	return s, nil
}

// close ends the thread, and with it every child that still runs.
func (s *starter) close() { close(s.jobs) }

// in runs f on the thread, inside the namespace ns (nil: at home), and returns f's error.
func (s *starter) in(ns *os.File, f func() error) error {
	done := make(chan error)
	s.jobs <- func() {
		if ns == nil {
			done <- f()
			return
		}
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("lab: entering a network namespace: %w", err)
			return
		}
		err := f()
		if back := unix.Setns(int(s.home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = fmt.Errorf("lab: leaving a network namespace: %w", back)
		}
		done <- err
	}
	return <-done
}

// start starts cmd inside ns (nil: at home), in a process group of its own, so that Ctrl-C on a terminal reaches the lab
// alone, which then ends its children in order.
func (s *starter) start(ns *os.File, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return s.in(ns, cmd.Start)
}

// namespace makes an empty network namespace, which has no name and lasts as long as the file is open or processes are in
// it: nothing has to be removed when a lab ends in whatever way, and nothing is left of one that was killed.
func (s *starter) namespace() (*os.File, error) {
	var ns *os.File
	err := s.in(nil, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("lab: making a network namespace: %w", err)
		}
		var err error
		ns, err = os.Open("/proc/thread-self/ns/net")
		if back := unix.Setns(int(s.home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = fmt.Errorf("lab: leaving a new network namespace: %w", back)
		}
		return err
	})
	return ns, err
}

// killTree kills a child and what it started. An error means that they have ended already.
func killTree(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
