package content

import (
	"path"
	"strings"
)

// checkGlob returns an error for a pattern that path.Match cannot read.
func checkGlob(pattern string) error {
	_, err := path.Match(pattern, "")
	return err
}

// matchAny reports whether a path, or a directory on the way to it, matches one of the patterns.
func matchAny(patterns []string, elements []string) bool {
	for _, p := range patterns {
		p = strings.TrimSuffix(p, "/")
		if !strings.Contains(p, "/") {
			for _, e := range elements {
				if ok, _ := path.Match(p, e); ok {
					return true
				}
			}
			continue
		}
		p = strings.TrimPrefix(p, "/")
		for i := range elements {
			if ok, _ := path.Match(p, strings.Join(elements[:i+1], "/")); ok {
				return true
			}
		}
	}
	return false
}
