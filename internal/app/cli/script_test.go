package cli

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"eddy": func() { os.Exit(Main()) }})
}

// Whole commands as a user types them: see testdata/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		ContinueOnError:     false,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("EDDY_PROGRESS", "none")
			env.Setenv("EDDY_SHARE_HOST", "127.0.0.1")
			env.Setenv("EDDY_SHARE_LISTEN", "127.0.0.1:0")
			env.Setenv("EDDY_SHARE_HTTP", "127.0.0.1:0")
			env.Setenv("EDDY_GET_LISTEN", "127.0.0.1:0")
			env.Setenv("EDDY_SEED_LISTEN", "127.0.0.1:0")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "race":
				return raceEnabled, nil
			case "ipv6":
				l, err := net.Listen("tcp", "[::1]:0")
				if err != nil {
					return false, nil
				}
				return true, l.Close()
			}
			return false, errors.New("unknown condition")
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"random":       random,
			"await":        await,
			"code":         code,
			"signal":       sendSignal,
			"fetch":        fetch,
			"samedigest":   sameDigest,
			"unprivileged": unprivileged,
			"ring-server":  ringServer,
			"ring-answers": ringAnswers,
			"bytes":        bytesFile,
		},
	})
}

// fetch URL FILE writes the body of a 200 answer to FILE.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s: %s", args[0], resp.Status, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o600))
}

// unprivileged N COMMAND... is code for a process whom file permissions hold back, which root has to give up for.
func unprivileged(ts *testscript.TestScript, neg bool, args []string) {
	if os.Geteuid() == 0 {
		args = append([]string{args[0], "setpriv", "--bounding-set", "-dac_override,-dac_read_search"}, args[1:]...)
	}
	code(ts, neg, args)
}

// random FILE BYTES makes a file that cannot be compressed or guessed, the same in every run.
func random(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(data)
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, data, 0o600))
}

// await FILE REGEXP [VARIABLE] waits until a file that a background command writes matches, and keeps the first group.
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(ts.MkAbs(args[0]))
		if match := pattern.FindSubmatch(data); match != nil {
			if len(args) > 2 {
				ts.Setenv(args[2], string(match[1]))
			}
			return
		}
	}
	data, _ := os.ReadFile(ts.MkAbs(args[0]))
	ts.Fatalf("%s never matched %s:\n%s", args[0], args[1], data)
}

// sendSignal implements "signal NAME FILE": it signals the process whose number stands in FILE.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	process, err := os.FindProcess(pid)
	ts.Check(err)
	sig := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt, "STATUS": statusSignal}[args[0]]
	ts.Check(process.Signal(sig))
}

// code N COMMAND... runs a command that must end with the exit code N; its output is checked with stdout and stderr.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v ended with %d, want %d", args[1:], got, want)
	}
}
