package cli

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/eddy-p2p/eddy/metainfo"
)

// selectFiles returns the indices of the files that --select names, in order. The selection is a list of terms between
// commas: a number as `eddy show --files` prints it (from 1), a range "3-5", "3-" or "-5", or a glob that matches a file's
// path below the torrent's name, its base name, or a directory above it.
func selectFiles(info *metainfo.Info, selection string) ([]int, error) {
	wanted := make([]bool, len(info.Files))
	for term := range strings.SplitSeq(selection, ",") {
		term = strings.TrimSpace(term)
		if term == "" {
			return nil, usageError("--select %s: an empty term between the commas", selection)
		}
		first, last, isRange, err := parseRange(term, len(info.Files))
		if err != nil {
			return nil, err
		}
		matched := false
		for i := range info.Files {
			f := &info.Files[i]
			hit := isRange && first <= i+1 && i+1 <= last || !isRange && globMatches(term, f.Path)
			if hit && !f.Pad {
				wanted[i], matched = true, true
			}
		}
		if !matched {
			return nil, &Failure{What: "selecting", Target: term, Cause: fmt.Errorf("no file of %s matches", info.Name),
				Hint: "eddy show --files lists them", Code: exitNotFound}
		}
	}
	var indices []int
	for i, w := range wanted {
		if w {
			indices = append(indices, i)
		}
	}
	return indices, nil
}

// parseRange reads "4", "3-5", "3-" or "-5"; isRange is false for anything else, which then is a glob.
func parseRange(term string, n int) (first, last int, isRange bool, err error) {
	if strings.Trim(term, "0123456789-") != "" || strings.Count(term, "-") > 1 || term == "-" {
		return 0, 0, false, nil
	}
	low, high, dash := strings.Cut(term, "-")
	first, last = 1, n
	if low != "" {
		first, err = strconv.Atoi(low)
	}
	if high != "" && err == nil {
		last, err = strconv.Atoi(high)
	}
	if !dash {
		last = first
	}
	if err != nil || first < 1 || last > n || first > last {
		return 0, 0, true, &Failure{What: "selecting", Target: term, Cause: fmt.Errorf("the files are numbered 1 to %d", n),
			Hint: "eddy show --files lists them", Code: exitNotFound}
	}
	return first, last, true, nil
}

// globMatches reports whether pattern matches the path, its last element, or one of the directories above it.
func globMatches(pattern string, elements []string) bool {
	for i := 1; i <= len(elements); i++ {
		if ok, err := path.Match(pattern, strings.Join(elements[:i], "/")); ok && err == nil {
			return true
		}
	}
	ok, err := path.Match(pattern, elements[len(elements)-1])
	return ok && err == nil
}
