package metainfo

import (
	"runtime"
	"strings"
	"unicode/utf8"
)

// Target is the kind of system that names are made safe for.
type Target uint8

// The targets. They differ in which names are legal and in whether two names that differ in case or in Unicode form are
// one file.
const (
	Posix   Target = iota // Linux and the like: bytes are compared
	Windows               // reserved characters and names; case is folded
	Darwin                // names as on Posix; case and Unicode form are folded
)

// maxElement is the length in bytes from which a name is cut; an extension of less than 10 bytes is kept behind it.
const maxElement = 240

// Sanitize returns a path, '/' between elements, that is legal on the target and stays below the folder it is joined to:
// not absolute, no "." or ".." element, no control or bidirectional formatting character, no name over 255 bytes. Elements
// that come to nothing are left out; a path of which nothing is left is "". A name that is legal on Posix stays as it is
// there, but for a leading backslash and invisible characters.
func Sanitize(path []string, target Target) string {
	var out []byte
	for _, e := range path {
		out = appendElement(out, 0, e, target)
	}
	return string(out)
}

// SanitizeElement does the same for one element; "" if it comes to nothing.
func SanitizeElement(element string, target Target) string {
	return string(appendSafe(nil, element, target))
}

// appendSafePath appends a path below what dst holds, which ends in '/'; a path of nothing becomes "_".
func appendSafePath(dst []byte, path []string, target Target) []byte {
	start := len(dst)
	for _, e := range path {
		dst = appendElement(dst, start, e, target)
	}
	if len(dst) == start {
		dst = append(dst, '_')
	}
	return dst
}

// appendElement appends an element to the path in dst[start:], or nothing.
func appendElement(dst []byte, start int, element string, target Target) []byte {
	size := len(dst)
	if size > start {
		dst = append(dst, '/')
	}
	before := len(dst)
	if dst = appendSafe(dst, element, target); len(dst) == before {
		return dst[:size]
	}
	return dst
}

// appendSafe appends the safe form of one element, or nothing.
func appendSafe(dst []byte, element string, target Target) []byte {
	start := len(dst)
	// A name ends where C would end it: what follows a NUL was never part of a file name.
	if i := strings.IndexByte(element, 0); i >= 0 {
		element = element[:i]
	}
	if element == "" {
		return append(dst, '_')
	}
	cut := false
	for i := 0; i < len(element); {
		if len(dst)-start >= maxElement && !cut {
			cut = true
			dot := strings.LastIndexByte(element[max(i, len(element)-9):], '.')
			if dot < 0 {
				break
			}
			i = max(i, len(element)-9) + dot
		}
		r, n := utf8.DecodeRuneInString(element[i:])
		if r == utf8.RuneError && n == 1 {
			// One underscore for a broken sequence: its first byte and what pretends to continue it.
			for n < len(element)-i && element[i+n]&0xC0 == 0x80 {
				n++
			}
			r = '_'
		}
		if s, drop := safeRune(r, target, len(dst) == start); !drop {
			dst = utf8.AppendRune(dst, s)
		}
		i += n
	}
	return finish(dst, start, target)
}

// safeRune returns what stands for a character in a safe name, or that it is dropped.
func safeRune(r rune, target Target, first bool) (safe rune, drop bool) {
	switch {
	case r == '/', r == '\\' && (first || target == Windows):
		return 0, true
	case r < 0x20, 0x7F <= r && r <= 0x9F:
		return '_', false
	case invisible(r):
		return 0, true
	case target == Windows && strings.ContainsRune(`<>:"|?*`, r):
		return '_', false
	}
	return r, false
}

// invisible reports whether r changes how text around it is shown (direction, joining) and shows nothing itself: with
// such characters one name can look like another.
func invisible(r rune) bool {
	return r == 0x061C || 0x200B <= r && r <= 0x200F || 0x202A <= r && r <= 0x202E || 0x2060 <= r && r <= 0x206F || r == 0xFEFF
}

// finish applies the rules for whole names to the element in dst[start:].
func finish(dst []byte, start int, target Target) []byte {
	if target == Windows {
		for len(dst) > start && (dst[len(dst)-1] == '.' || dst[len(dst)-1] == ' ') {
			dst = dst[:len(dst)-1]
		}
		if reserved(string(dst[start:])) {
			dst = append(dst, 0)
			copy(dst[start+1:], dst[start:])
			dst[start] = '_'
		}
	}
	if s := string(dst[start:]); s == "." || s == ".." {
		return dst[:start]
	}
	return dst
}

// reserved reports whether Windows takes a name, whatever its extension, for a device.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(base, port); ok {
			return len(n) == 1 && n[0] >= '1' && n[0] <= '9' || n == "¹" || n == "²" || n == "³"
		}
	}
	return false
}

// HostTarget returns the target for the system that this program runs on.
func HostTarget() Target {
	switch runtime.GOOS {
	case "windows":
		return Windows
	case "darwin", "ios":
		return Darwin
	}
	return Posix
}
