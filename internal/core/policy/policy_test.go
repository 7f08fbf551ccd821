package policy

import (
	"strings"
	"testing"
)

func TestNamed(t *testing.T) {
	for _, want := range All() {
		got, err := Named(want.Name)
		if err != nil || got.Name != want.Name || got.About == "" {
			t.Errorf("Named(%q) = %q, %v", want.Name, got.Name, err)
		}
	}
	if p, err := Named(""); err != nil || p.Name != "tit-for-tat" {
		t.Errorf("the default is %q, %v", p.Name, err)
	}
	_, err := Named("greedy")
	if err == nil || !strings.Contains(err.Error(), "cooperative") {
		t.Errorf("an unknown policy must be told the known ones: %v", err)
	}
}

func TestDefaultsFillOnlyGaps(t *testing.T) {
	if p := (Policy{}).WithDefaults(); p.Rank == nil || p.SeedRank == nil || p.Order != nil {
		t.Errorf("zero policy with defaults: %+v", p)
	}
	own := Cooperative.WithDefaults()
	if own.Rank == nil || own.SeedRank == nil {
		t.Errorf("cooperative with defaults: %+v", own)
	}
}
