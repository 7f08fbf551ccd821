package metainfo

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxDuplicates is how many files may share their whole path with an earlier one: no honest torrent has more.
const maxDuplicates = 500

// ResolveDuplicates renames, in place, those of the safe paths that another file or a directory has already on the target:
// name.1.ext, name.2.ext and so on. files is parallel to paths; padding is never written, so pads of one size may share
// their name. The result depends on the input order alone.
func ResolveDuplicates(paths []string, files []File, target Target) {
	dirs := map[string]bool{}
	for _, p := range paths {
		f := fold(p, target)
		for i := strings.LastIndexByte(f, '/'); i > 0 && !dirs[f[:i]]; i = strings.LastIndexByte(f[:i], '/') {
			dirs[f[:i]] = true
		}
	}
	owner := make(map[string]int, len(paths)) // folded path -> the file that has it
	tried := map[string]int{}                 // folded path -> the last number that was used for it
	for i, p := range paths {
		f := fold(p, target)
		if first, taken := owner[f]; !taken && !dirs[f] {
			owner[f] = i
			continue
		} else if taken && files[i].Pad && files[first].Pad && files[i].Length == files[first].Length {
			continue
		}
		for {
			tried[f]++
			p = numbered(paths[i], tried[f])
			g := fold(p, target)
			if _, taken := owner[g]; !taken && !dirs[g] {
				owner[g] = i
				paths[i] = p
				break
			}
		}
	}
}

// numbered puts a number before the extension of a path's last element, which it shortens where it would get too long.
func numbered(path string, n int) string {
	slash := strings.LastIndexByte(path, '/')
	dir, name := path[:slash+1], path[slash+1:]
	ext := ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name, ext = name[:dot], name[dot:]
	}
	suffix := "." + strconv.Itoa(n) + ext
	if len(suffix) > 128 { // the name is all extension
		ext = ""
		name, suffix = path[slash+1:], "."+strconv.Itoa(n)
	}
	for len(name)+len(suffix) > 255 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return dir + name + suffix
}

// fold returns the form in which the target compares paths.
func fold(p string, target Target) string {
	if target == Posix {
		return p
	}
	return norm.NFC.String(strings.Map(func(r rune) rune {
		return unicode.ToLower(unicode.ToUpper(r))
	}, p))
}

// trueDuplicates counts the files whose safe path another one has, without holding the paths: they may be many times as
// large as the torrent.
func (in *Info) trueDuplicates() int {
	sums := make([]uint64, 0, len(in.Files))
	var buf []byte
	for i := range in.Files {
		if in.Files[i].Pad {
			continue
		}
		buf = appendSafePath(buf[:0], in.Files[i].Path, Posix)
		sum := uint64(14695981039346656037) // FNV-1a; whoever provokes collisions only gets the own torrent refused
		for _, c := range buf {
			sum = (sum ^ uint64(c)) * 1099511628211
		}
		sums = append(sums, sum)
	}
	slices.Sort(sums)
	same := 0
	for i := 1; i < len(sums); i++ {
		if sums[i] == sums[i-1] {
			same++
		}
	}
	return same
}
