package storage

import (
	"os"
	"path/filepath"
)

// existing returns path or the nearest folder above it that exists.
func existing(path string) string {
	path = filepath.Clean(path)
	for {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		up := filepath.Dir(path)
		if up == path {
			return path
		}
		path = up
	}
}
