package tracker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// errRedisURL never quotes what it is about: a password may be in it.
var errRedisURL = errors.New("not the URL of a Redis: want HOST:PORT, redis://USER:PASSWORD@HOST:PORT/DB, rediss:// with TLS, or unix:///SOCKET?db=DB")

// CheckRedis reports what is wrong with a URL for ServerConfig.Redis, without quoting it and without connecting.
func CheckRedis(rawURL string) error {
	_, err := redisOption(rawURL)
	return err
}

// redisOption reads the URL. The library's own parser would take switches that disable the checks of TLS.
func redisOption(rawURL string) (rueidis.ClientOption, error) {
	if !strings.Contains(rawURL, "://") {
		rawURL = "redis://" + rawURL
	}
	o := rueidis.ClientOption{
		ForceSingleClient:   true,
		DisableCache:        true, // nothing is read twice
		DisableRetry:        true, // a peer is better refused than kept waiting
		AlwaysPipelining:    true,
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
		ConnWriteTimeout:    redisWriteFor,
		ClientName:          "eddy-tracker",
	}
	o.Dialer.Timeout = redisTimeout
	u, err := url.Parse(rawURL)
	if err != nil || u.Fragment != "" || u.Opaque != "" {
		return o, errRedisURL
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	var db string
	switch u.Scheme {
	case "redis", "rediss":
		db, err = overTCP(&o, u)
	case "unix":
		db, err = overSocket(&o, u)
	default:
		err = errRedisURL
	}
	if err != nil || db == "" {
		return o, err
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return o, errRedisURL
	}
	o.SelectDB = int(n)
	return o, nil
}

// overTCP enters host, port and TLS and returns the number of the database, "" for none.
func overTCP(o *rueidis.ClientOption, u *url.URL) (db string, err error) {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "6379"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || u.RawQuery != "" {
		return "", errRedisURL
	}
	o.InitAddress = []string{net.JoinHostPort(host, port)}
	if u.Scheme == "rediss" {
		o.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return strings.TrimPrefix(u.Path, "/"), nil
}

// overSocket enters a socket file and returns the number of the database, "" for none.
func overSocket(o *rueidis.ClientOption, u *url.URL) (db string, err error) {
	query := u.Query()
	db = query.Get("db")
	if query.Del("db"); u.Host != "" || u.Path == "" || len(query) > 0 {
		return "", errRedisURL
	}
	o.InitAddress = []string{u.Path}
	o.DialCtxFn = func(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return d.DialContext(ctx, "unix", path)
	}
	return db, nil
}
