package tracker

import (
	"fmt"
	"strings"
	"testing"
)

func TestRedisURL(t *testing.T) {
	for in, want := range map[string]string{
		"localhost:6380":                       "localhost:6380 0  ",
		"localhost":                            "localhost:6379 0  ",
		"[::1]:1":                              "[::1]:1 0  ",
		"redis://me:secret@redis.example:1/12": "redis.example:1 12 me secret",
		"rediss://:secret@redis.example":       "redis.example:6379 0  secret",
		"unix:///run/redis.sock?db=3":          "/run/redis.sock 3  ",
	} {
		o, err := redisOption(in)
		if err != nil {
			t.Error(in, err)
			continue
		}
		if got := fmt.Sprintf("%s %d %s %s", o.InitAddress[0], o.SelectDB, o.Username, o.Password); got != want {
			t.Errorf("%s: %s", in, got)
		}
		if tls := strings.HasPrefix(in, "rediss"); tls != (o.TLSConfig != nil) || tls && o.TLSConfig.InsecureSkipVerify {
			t.Errorf("%s: %+v", in, o.TLSConfig)
		}
	}
	for _, in := range []string{
		"", ":6379", "redis://me:secret@/0", "redis://me:secret@host:99999", "redis://host:secret", "redis://host/secret", "http://secret@host",
		"rediss://secret@host?skip_verify", "unix://secret/x", "unix:///x?secret=1", "redis://h/1/2", "redis://me:secr%zzet@host", "//host",
	} {
		if err := CheckRedis(in); err == nil || strings.Contains(err.Error(), "secr") {
			t.Errorf("%q: %v", in, err)
		}
	}
}
