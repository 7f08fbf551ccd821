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
