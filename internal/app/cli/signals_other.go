//go:build !unix

package cli

import (
	"os"
	"syscall"
)

// statusSignal is a signal that never comes: these systems have none to spare.
var statusSignal os.Signal

var watchedSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
