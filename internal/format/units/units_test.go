package units

import (
	"strings"
	"testing"
	"time"
)

// cli.md: "a bare integer is bytes (or bytes/s); SI by default: 10MB 10MiB 10Mbit 10Gbit; limit 0 = none".
func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "10MB": 10_000_000, "10M": 10_000_000, "10MiB": 10 << 20, "10Mi": 10 << 20,
		"10Mbit": 1_250_000, "10Gbit": 1_250_000_000, "1 kB": 1000, "1KB": 1000, "1KiB": 1024, "1.5GB": 1_500_000_000,
		"7B": 7, "1Kibit": 128, "0.3333kB": 333, "16bit": 2, "2.0": 2, "9223372036854775807": 1<<63 - 1, " 2TiB ": 2 << 40,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for text, tells := range map[string]string{
		"": "not a size", "MB": "not a size", "-1": "not a size", "10mb": "ambiguous", "10Mb": "ambiguous", "10b": "ambiguous",
		"1e6": "unknown unit", "10MB/s": "unknown unit", "1.2.3": "not a size", "9223372036854775808": "too large",
		"99999999PiB": "too large", "٣MB": "not a size", "1.5": "no whole number of bytes", "0.1B": "no whole number of bytes", "1bit": "no whole number of bytes", ".5MB": "not a size",
	} {
		if got, err := ParseSize(text); err == nil || !strings.Contains(err.Error(), tells) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ParseSize(%q) = %d, %v; want a line with %q", text, got, err, tells)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "500": 500, "2MiB/s": 2 << 20, "100Mbit/s": 12_500_000, "100Mbps": 12_500_000, "1MB": 1e6} {
		if got, err := ParseRate(text); got != want || err != nil {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	if _, err := ParseRate("fast"); err == nil || !strings.Contains(err.Error(), "is not a rate") {
		t.Errorf("ParseRate(fast): %v", err)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "1m30s": 90 * time.Second, "2h": 2 * time.Hour,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "-1", "-5s", "NaN", "Inf", "1e300", "1d", "-3000000h", "3000000 h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		} else if strings.Contains(err.Error(), "too long") != (text == "1e300") {
			t.Errorf("ParseDuration(%q): %v", text, err)
		}
	}
	for _, text := range []string{"3000000h", "1.5h99999999999999999999s", "9999999999"} {
		if _, err := ParseDuration(text); err == nil || !strings.Contains(err.Error(), "is too long for a duration") {
			t.Errorf("ParseDuration(%q): %v", text, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_960: "1.0 MB", 104_857_600: "104.9 MB", 1<<63 - 1: "9.2 EB",
	} {
		if got := FormatSize(bytes); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", bytes, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		420 * time.Millisecond: "0.42 s", 12300 * time.Millisecond: "12.3 s", 245 * time.Second: "4m05s", 192 * time.Minute: "3h12m",
		time.Hour - 300*time.Millisecond: "1h00m", 9996 * time.Millisecond: "10.0 s", time.Minute - 20*time.Millisecond: "1m00s", time.Hour - time.Second: "59m59s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
	if got := Plural(1, "copy") + ", " + Plural(2, "copy") + ", " + Plural(0, "peer"); got != "1 copy, 2 copies, 0 peers" {
		t.Errorf("Plural: %s", got)
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"10MB", "1.5GiB", "10Mbit", "0", "KiB", "1e9", "9999999999999999999999PB", "1/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err == nil && n < 0 {
			t.Fatalf("ParseSize(%q) = %d", s, n)
		}
	})
}
