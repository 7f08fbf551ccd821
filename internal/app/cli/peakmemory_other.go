//go:build !unix

package cli

// peakMemory returns the most memory that this process had resident, in bytes; 0 = unknown, which it is here.
func peakMemory() int64 { return 0 }
