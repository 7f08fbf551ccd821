//go:build unix

package cli

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// peakMemory returns the most memory that this process had resident, in bytes; 0 = unknown.
func peakMemory() int64 {
	if peak := peakOfProc(); peak > 0 {
		return peak
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss) // the others count in KiB
	}
	return int64(usage.Maxrss) << 10
}

// peakOfProc asks Linux, whose getrusage counts what the process was before it became eddy too: the memory of whoever started it.
func peakOfProc() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
