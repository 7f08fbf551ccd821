package eddy_test

import (
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy"
)

// A policy that does not exist is told with those that do.
func TestUnknownPolicy(t *testing.T) {
	c, err := eddy.NewClient(eddy.Config{Policy: "greedy", Listen: "127.0.0.1:0"})
	if c != nil || err == nil || !strings.Contains(err.Error(), "cooperative") {
		t.Errorf("NewClient: %v, %v", c, err)
	}
	for _, p := range []string{"", "tit-for-tat", "cooperative"} {
		if _, err := eddy.NewClient(eddy.Config{Policy: p, Listen: "127.0.0.1:0"}); err != nil {
			t.Errorf("policy %q: %v", p, err)
		}
	}
}
