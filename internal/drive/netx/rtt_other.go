//go:build !linux

package netx

import "time"

// RTT returns 0: the round trip is not known here.
func RTT(Conn) time.Duration { return 0 }
