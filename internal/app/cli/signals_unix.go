//go:build unix

package cli

import (
	"os"
	"syscall"
)

// statusSignal asks for a line of status.
var statusSignal os.Signal = syscall.SIGUSR1

var watchedSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1}
