package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// probe plays the page as a user at the keyboard would and leaves what it saw.
const probe = `<script>
const seen = [];
window.onerror = m => seen.push("error: " + m);
const press = k => document.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true}));
const now = () => seen.push(document.getElementById("now").textContent);
now(); press("ArrowRight"); now(); press("ArrowLeft"); now();
press("End"); now();
seen.push("owner drawn " + document.querySelectorAll("rect.owner").length + ", crossed out " + document.querySelectorAll(".cross").length / 2);
seen.push([...document.querySelectorAll("#nodes tr")].map(r => [...r.children].map(c => c.textContent).join("|") + (r.className ? " " + r.className : "")).join("; "));
press("Home"); press(" "); seen.push(document.getElementById("play").textContent); now(); press(" "); seen.push(document.getElementById("play").textContent);
document.querySelector('[data-node="2"]').focus(); seen.push("knows " + document.querySelectorAll(".known").length);
document.body.textContent = seen.join("\n");
</script></body>`

// The page plays, pauses and steps by the keyboard in a browser, without network.
func TestExplainPageInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here")
	}
	dir := t.TempDir()
	page := filepath.Join(dir, "ring.html")
	var out, errs bytes.Buffer
	code := Run(t.Context(), Stdio{Args: []string{"ring", "explain", "--bits", "4", "--nodes", "1,3,4,5,8,10,12,15", "--kill", "5", "--from", "4", "--key", "6",
		"--html", page}, Out: &out, Err: &errs})
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, bytes.Replace(html, []byte("</body>"), []byte(probe), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir, "--dump-dom", "file://"+page)
	dom, err := cmd.Output()
	if err != nil {
		t.Skipf("chromium does not run here: %v", err)
	}
	for _, want := range []string{
		"Before the first step.\n0.000 s: 5 fails without a word\nBefore the first step.\n", // right, left
		"8 answers 4: that key is mine\nowner drawn 1, crossed out 1\n",                     // End
		"4|3|8, 10|–; 5|4|8, 10|– dead; 8|4|10, 12|–;",
		"❚❚ Pause\n0.000 s: 5 fails without a word\n▶ Play\n", // Home, space, space
		"knows 2", // 4 has the focus: arrows to 5 and 8
	} {
		if !strings.Contains(string(dom), want) {
			t.Errorf("the page does not show %q:\n%s", want, dom)
		}
	}
	if strings.Contains(string(dom), "error: ") {
		t.Errorf("the page fails:\n%s", dom)
	}
}

// A name is text, not a part of the page.
func TestExplainPageEscapes(t *testing.T) {
	page := filepath.Join(t.TempDir(), "ring.html")
	var out, errs bytes.Buffer
	evil := "</script><b>"
	if code := Run(t.Context(), Stdio{Args: []string{"ring", "explain", "--bits", "6", "--nodes", evil + "=1,30", "--name", evil, "--html", page}, Out: &out, Err: &errs}); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(html, []byte(evil)) {
		t.Error("a name got into the page as it is")
	}
}
