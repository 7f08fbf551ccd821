// Package units reads and prints amounts of data, rates and times as people write them: "10MiB", "100Mbit/s", "1m30s".
package units

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// prefixes are the multipliers that may stand before B, bit or nothing: SI by default, IEC with an i.
var prefixes = map[string]int64{
	"":  1,
	"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
}

const sizeHelp = "want a number of bytes, or one with a unit like 10MB, 10MiB or 10Mbit"

// ParseSize reads an amount of data: "4096", "10MB", "1.5 GiB", "10Mbit". A bare number is bytes; kB, MB, GB are powers of
// 1000 and KiB, MiB, GiB powers of 1024. The part of a byte that 0.3333kB may leave over is dropped, but 1.5 and 1.5B are refused. The result is in bytes.
func ParseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	number, ok := new(big.Rat).SetString(text[:end])
	if !ok || strings.HasPrefix(text, ".") {
		return 0, fmt.Errorf("%q is not a size: %s", s, sizeHelp)
	}
	scale, err := parseUnit(strings.TrimSpace(text[end:]))
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: %w", s, err)
	}
	number.Mul(number, scale)
	if !number.IsInt() && scale.Cmp(big.NewRat(1, 1)) <= 0 { // 1.5, 1.5B: no rounding of a greater amount, as in 0.3333GB, but a mistake
		return 0, fmt.Errorf("%q is not a size: it is no whole number of bytes; %s", s, sizeHelp)
	}
	bytes := new(big.Int).Quo(number.Num(), number.Denom())
	if !bytes.IsInt64() {
		return 0, fmt.Errorf("%q is too large: at most %d bytes", s, int64(math.MaxInt64))
	}
	return bytes.Int64(), nil
}

// parseUnit returns the bytes of one unit. "Mb" is refused: half of the world means bits by it, half bytes.
func parseUnit(unit string) (*big.Rat, error) {
	name, bits := strings.CutSuffix(unit, "bit")
	if !bits {
		name, _ = strings.CutSuffix(name, "B")
	}
	if strings.HasPrefix(name, "K") && (name == "K" || name == "Ki") {
		name = "k" + name[1:] // KB is a usual way of writing kB
		if name == "ki" {
			name = "Ki"
		}
	}
	scale, ok := prefixes[name]
	switch {
	case !ok && strings.HasSuffix(unit, "b"):
		return nil, fmt.Errorf("unit %q is ambiguous: write %sB for bytes or %sbit for bits", unit, name[:len(name)-1], name[:len(name)-1])
	case !ok:
		return nil, fmt.Errorf("unknown unit %q: %s", unit, sizeHelp)
	case bits:
		return big.NewRat(scale, 8), nil
	}
	return big.NewRat(scale, 1), nil
}

// ParseRate reads bytes a second: a size with an optional "/s". "10Mbps" is taken as 10Mbit/s.
func ParseRate(s string) (int64, error) {
	text := strings.TrimSpace(s)
	text = strings.TrimSuffix(text, "/s")
	if name, ok := strings.CutSuffix(text, "bps"); ok {
		text = name + "bit"
	}
	rate, err := ParseSize(text)
	if err != nil {
		return 0, errors.New(strings.Replace(err.Error(), "is not a size", "is not a rate", 1))
	}
	return rate, nil
}

// longDuration is what a duration looks like. That of which time.ParseDuration makes nothing has no place in 64 bits.
var longDuration = regexp.MustCompile(`^\+?([0-9]+\.?[0-9]*(h|m|s|ms|us|µs|ns))+$|^\+?[0-9]+\.?[0-9]*(e\+?[0-9]+)?$`)

// ParseDuration reads "90" (seconds), "1.5" or Go's notation "1m30s". Negative durations are refused.
func ParseDuration(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	d, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseFloat(text, 64); numeric == nil {
		d, err = time.Duration(seconds*float64(time.Second)), nil
		if !(seconds < math.MaxInt64/float64(time.Second)) {
			err = errors.New("too long")
		}
	}
	if err != nil && longDuration.MatchString(text) {
		return 0, fmt.Errorf("%q is too long for a duration: at most 292 years", s)
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration: want seconds, or a value like 90s, 1m30s or 2h", s)
	}
	return d, nil
}

// FormatSize prints bytes for people, in powers of 1000 with three significant digits: "104.9 MB".
func FormatSize(bytes int64) string {
	if bytes < 1000 && bytes > -1000 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	value, unit := float64(bytes), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		value /= 1000
		// Compared after rounding: 999,960 bytes are "1.0 MB", not "1000.0 kB".
		if math.Abs(value) < 999.95 {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + unit
}

// FormatRate prints bytes a second for people: "12.3 MB/s".
func FormatRate(bps int64) string { return FormatSize(bps) + "/s" }

// FormatDuration prints a time for people: "0.42 s", "12.3 s", "4m05s", "3h12m".
func FormatDuration(d time.Duration) string {
	// Compared after rounding: 59m59.7s is "1h00m", not "60m00s".
	switch {
	case d.Round(10*time.Millisecond) < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d.Round(100*time.Millisecond) < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// FormatLeft prints a time left, in whole seconds: more would pretend to know.
func FormatLeft(d time.Duration) string {
	if d < time.Minute {
		return strconv.Itoa(int((d+time.Second-1)/time.Second)) + " s"
	}
	return FormatDuration(d)
}

// Plural prints a count with its noun: "1 peer", "4 peers".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return strconv.Itoa(n) + " " + stem + "ies"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
