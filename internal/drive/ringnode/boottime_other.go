//go:build !linux

package ringnode

import "time"

// monotonic is a clock that nobody sets. It may stop while the machine is suspended.
func monotonic() time.Duration { return time.Since(processStart) }

var processStart = time.Now()
