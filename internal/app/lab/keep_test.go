package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// The directory for what members print is made before anything is measured; where there cannot be one, that is told then.
func TestCheckKeep(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.csv")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for keep, ok := range map[string]bool{"": true, filepath.Join(dir, "a", "b"): true, file: false, filepath.Join(file, "x"): false} {
		if err := (&Lab{cfg: Config{Keep: keep}}).checkKeep(); (err == nil) != ok {
			t.Errorf("%q: %v", keep, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "a", "b")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
