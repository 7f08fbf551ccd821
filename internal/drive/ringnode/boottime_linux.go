package ringnode

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is a clock that nobody sets, and that goes on while the machine is suspended: Go's own stops then, and what the others did meanwhile would
// seem to have taken no time.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Since(processStart)
	}
	return time.Duration(ts.Nano())
}

var processStart = time.Now()
