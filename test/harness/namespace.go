package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The environment by which a test binary knows that it runs inside its namespaces, and where eddy is.
const (
	insideEnv = "EDDY_TEST_INSIDE"
	binaryEnv = "EDDY_BIN"  // a built eddy to test instead of building one
	raceEnv   = "EDDY_RACE" // 1: build eddy with the race detector
)

// missing says why tests cannot run here; "" if they can.
var missing string

// Main builds eddy, moves the test binary into namespaces of its own (network, mounts, and processes where the machine
// allows it: so that nothing outlives the tests), and runs the tests there. It ends the process.
func Main(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.list"); testing.Short() || f.Value.String() != "" {
		os.Exit(m.Run()) // runs none of the tests
	}
	if os.Getenv(insideEnv) == "" {
		enter()
	}
	if missing == "" {
		if err := loopback(); err != nil {
			missing = err.Error()
		}
	}
	// The processes under test mostly wait for their rate limits: more of them than cores are no load.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			fatal("raising the number of parallel tests: %v", err)
		}
	}
	code := m.Run()
	if dir := os.Getenv(insideEnv); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// enter replaces the process by itself inside fresh namespaces, or notes in missing why it can't.
func enter() {
	if os.Geteuid() != 0 {
		missing = "needs root, for a network namespace"
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		missing = "needs unshare (package util-linux)"
		return
	}
	if _, err := exec.LookPath("ip"); err != nil {
		missing = "needs ip (package iproute2)"
		return
	}
	dir, err := os.MkdirTemp("", "eddytest")
	if err != nil {
		fatal("making a directory for the binary: %v", err)
	}
	// Before entering: a fresh clone's build may have to fetch modules, and inside there is no network.
	bin := os.Getenv(binaryEnv)
	if bin == "" {
		bin = filepath.Join(dir, "eddy")
		if err := Build(bin); err != nil {
			os.RemoveAll(dir)
			fatal("%v", err)
		}
	} else if bin, err = filepath.Abs(bin); err != nil {
		fatal("%v", err)
	}
	args := []string{"unshare", "-n", "-m"}
	if exec.Command(unshare, "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "true").Run() == nil {
		args = append(args, "-p", "-f", "--kill-child", "--mount-proc")
	}
	self, err := os.Executable()
	if err != nil {
		fatal("finding the test binary: %v", err)
	}
	env := append(os.Environ(), insideEnv+"="+dir, binaryEnv+"="+bin)
	err = syscall.Exec(unshare, append(append(args, "--", self), os.Args[1:]...), env)
	fatal("running unshare: %v", err)
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// loopback makes all of 10.77.0.0/16 addresses of this machine. It does nothing when it has been done.
func loopback() error {
	for _, cmd := range []string{"ip link set lo up", "ip addr replace 10.77.0.1/16 dev lo"} {
		f := strings.Fields(cmd)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", cmd, err, out)
		}
	}
	return nil
}

// Build makes the binary under test from this module.
func Build(out string) error {
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		tool = filepath.Join(runtime.GOROOT(), "bin", "go")
	}
	args := []string{"build", "-o", out}
	if os.Getenv(raceEnv) == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command(tool, append(args, "./cmd/eddy")...)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building eddy: %w\n%s", err, text)
	}
	return nil
}

// ModuleRoot is the directory of this module's go.mod.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// Need skips the test where it cannot run: under -short, outside of a namespace, or without one of the programs (or of
// the modules of Python, given as "python:NAME"). With CI=true what is missing fails instead.
func Need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("drives real processes: not under -short")
	}
	why := missing
	for _, p := range programs {
		if name, ok := strings.CutPrefix(p, "python:"); ok {
			if exec.Command(Python(), "-c", "import "+name).Run() != nil {
				why = "needs Python's module " + name + " (package python3-" + name + ")"
			}
		} else if _, err := exec.LookPath(p); err != nil {
			why = "needs " + p
		}
	}
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

// Python is the interpreter that Debian's modules belong to.
func Python() string {
	if p := os.Getenv("PEERS_PYTHON"); p != "" {
		return p
	}
	return "/usr/bin/python3"
}

// Eddy is the path of the binary under test.
func Eddy() string { return os.Getenv(binaryEnv) }
