package course

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/test/harness"
)

var (
	update  = flag.Bool("update", false, "rewrite the outputs and figures of the page that no longer hold")
	measure = flag.Bool("lab", false, "also run the page's eddy lab, about a minute")
)

// The shell needs no more than this for the whole page, or hangs.
const patience = 4 * time.Minute

// TestCourse runs the page.
func TestCourse(t *testing.T) {
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	p, name := readPage(t, root, "course.md")
	dir := t.TempDir()
	p.write(t, dir)
	programs, err := filepath.Glob(filepath.Join(root, "internal/app/upper/testdata/*.py"))
	if err != nil || len(programs) != 4 {
		t.Fatalf("the chapter's programs: %q, %v", programs, err)
	}
	for _, program := range programs {
		copyFile(t, filepath.Join(dir, filepath.Base(program)), program)
	}
	live := !testing.Short() && canLive(t)
	run(t, dir, slices.DeleteFunc(slices.Clone(p.blocks), func(b *block) bool {
		return b.kind == "slow" && testing.Short() || b.kind == "live" && !live || b.kind == "lab" && !(live && *measure)
	}))
	compare(t, p, name)
	compareFigures(t, p, dir, filepath.Join(root, "docs/img"))
}

// TestCourseFigures holds the sentences against the outputs of their sections.
func TestCourseFigures(t *testing.T) {
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := readPage(t, root, "course.md")
	for _, figure := range p.unbacked() {
		t.Errorf("no output has it: %s", figure)
	}
}

// readPage reads a page of docs.
func readPage(t *testing.T, root, base string) (p *page, name string) {
	t.Helper()
	name = filepath.Join(root, "docs", base)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = parsePage(string(text)); err != nil {
		t.Fatalf("docs/%s: %v", base, err)
	}
	return p, name
}

// write puts the page's files where its commands run.
func (p *page) write(t *testing.T, dir string) {
	t.Helper()
	for file, text := range p.files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// compare holds the outputs against the page, or the page against the outputs.
func compare(t *testing.T, p *page, name string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(p.text()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, b := range p.blocks {
		for _, c := range b.cmds {
			if c.ran && !b.holds(c) {
				t.Errorf("line %d: $ %s\n%s", b.line+1, c.text, cmp.Diff(c.output, c.got))
			}
		}
	}
}

// compareFigures does the same with what the commands drew.
func compareFigures(t *testing.T, p *page, dir, images string) {
	t.Helper()
	drawn, _ := filepath.Glob(filepath.Join(dir, "course-*.svg"))
	for _, from := range drawn {
		to := filepath.Join(images, filepath.Base(from))
		if varies := filepath.Base(from) == "course-lab.svg"; *update {
			copyFile(t, to, from)
		} else if !varies {
			sameFile(t, from, to)
		}
	}
	// No figure without its command, and none that nobody shows.
	shown, _ := filepath.Glob(filepath.Join(images, "course-*.svg"))
	for _, name := range shown {
		base := filepath.Base(name)
		text := strings.Join(p.lines, "\n")
		if !strings.Contains(text, "--plot "+base) || !strings.Contains(text, "(img/"+base+")") {
			t.Errorf("%s: the page does not draw it, or does not show it", base)
		}
	}
}

func sameFile(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	if y, err := os.ReadFile(b); err != nil || !bytes.Equal(x, y) {
		t.Errorf("%s is another figure now (%v): -update", filepath.Base(b), err)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// canLive reports whether this machine has what the live blocks need, and names what is missing.
func canLive(t *testing.T) bool {
	t.Helper()
	var missing []string
	for _, tool := range []string{"curl", "python3", "seq", "cmp"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if alone() == nil { // port 12000 is the chapter's, and perhaps somebody's
		l, err := net.Listen("tcp", ":12000")
		if err != nil {
			missing = append(missing, "port 12000")
		} else {
			l.Close()
		}
	}
	if len(missing) > 0 && os.Getenv("CI") == "true" {
		t.Fatalf("missing: %q", missing)
	}
	if len(missing) > 0 {
		t.Logf("live blocks are left out; missing: %q", missing)
	}
	return len(missing) == 0
}

// alone is the command by which a shell gets a network of its own, nil where the machine does not allow it.
func alone() []string {
	if os.Geteuid() != 0 || exec.Command("unshare", "-n", "ip", "link", "set", "lo", "up").Run() != nil {
		return nil
	}
	return []string{"unshare", "-n", "sh", "-c", `ip link set lo up && exec "$@"`, "sh"}
}

// mark ends the output of a command.
const mark = "\x1e"

// patient is what the page's "sleep 1" is where a machine is busy: until others have started that started later than the server that is waited for.
const patient = `sleep() { command sleep "$1"; [ "$1" != 1 ] || for _ in 1 2 3; do python3 -c 'import socket'; eddy version; done > /dev/null; }
`

// run gives the commands of the blocks to one shell, in dir, and notes what each printed.
func run(t *testing.T, dir string, blocks []*block) {
	t.Helper()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here:", err)
	}
	var script strings.Builder
	script.WriteString(patient)
	var cmds []*command
	for _, b := range blocks {
		for _, c := range b.cmds {
			cmds = append(cmds, c)
			script.WriteString(c.text + "\nprintf '\\036'\n")
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the shell hangs"))
	defer cancel()
	args := append(alone(), shell, "-c", script.String())
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Dir(eddy) + ":" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "EDDY_PROGRESS=none"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// What the page leaves running ends with the shell.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Background processes may hold the pipe; each has ended when it is at its end.
	all, err := io.ReadAll(out)
	if waiting := cmd.Wait(); err != nil || waiting != nil {
		t.Errorf("the shell: %v, %v, %v", err, waiting, context.Cause(ctx))
	}
	outputs := strings.Split(string(all), mark)
	for i, c := range cmds {
		if i >= len(outputs)-1 {
			t.Fatalf("nothing came of: %s", c.text)
		}
		c.got, c.ran = tidy(outputs[i]), true
	}
	if rest := outputs[len(outputs)-1]; rest != "" {
		t.Errorf("after the end: %s", rest)
	}
}

// jobLine is what bash says of a background job that was killed.
var jobLine = regexp.MustCompile(`^\S*bash: line \d+: `)

// tidy removes what the shell says of its own about jobs, and completes the last line.
func tidy(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		if !jobLine.MatchString(line) {
			out.WriteString(line)
		}
	}
	s = out.String()
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}
