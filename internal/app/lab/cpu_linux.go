package lab

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// userHZ is the unit of /proc/stat, fixed in Linux's interface to programs.
const userHZ = 100

// busyTime is the processor time that all cores of this machine have spent since it started, on anything: what the kernel
// does for the network is nobody's in particular.
func busyTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var busy int64
	for i, f := range bytes.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal; guests are part of user.
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseInt(string(f), 10, 64)
		busy += n
	}
	return time.Duration(busy) * (time.Second / userHZ)
}

// processTime is the processor time of one process; 0 when it has ended.
func processTime(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The second field is a name in parentheses, which may hold anything; utime and stime are the 14th and 15th.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * (time.Second / userHZ)
}
