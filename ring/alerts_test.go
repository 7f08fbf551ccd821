package ring_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy/ring"
)

// Each metric that the shipped alert rules watch is one that a node has: a rule on a name that is not there never fires.
func TestAlertRules(t *testing.T) {
	rules, err := os.ReadFile("../docs/ring-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := start(t, ring.Config{Replicas: 1})
	r, err := http.NewRequest(http.MethodGet, "http://"+n.API().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("Authorization", "Bearer "+n.Token())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`eddy_ring_\w+`).FindAllString(string(rules), -1)
	if len(names) < 10 {
		t.Fatalf("only %d rules", len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(metrics), "\n"+name+" ") {
			t.Errorf("the rules watch %s, which no node has", name)
		}
	}
}
