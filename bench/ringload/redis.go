package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// redisTarget is a Redis Cluster over TLS. A put is SET and WAIT 1 in one round trip: the master has synced its log and one replica has
// received the write; a get is a GET at the master, of which a quorum is not asked.
type redisTarget struct {
	first, certificates string
	config              *tls.Config
}

func (t *redisTarget) dial(ctx context.Context, _ int) (client, error) {
	if t.config == nil {
		var err error
		if t.config, err = readCertificates(t.certificates); err != nil {
			return nil, err
		}
	}
	c := &redisClient{masters: make(map[string]*redisConn)}
	seed, err := dialRedis(ctx, t.first, t.config)
	if err != nil {
		return nil, err
	}
	defer seed.Close()
	if err := seed.send("CLUSTER", "SLOTS"); err != nil {
		return nil, err
	}
	slots, err := seed.reply()
	if err != nil {
		return nil, err
	}
	for _, entry := range list(slots) {
		e := list(entry)
		if len(e) < 3 || len(list(e[2])) < 2 {
			return nil, fmt.Errorf("CLUSTER SLOTS says %v", entry)
		}
		master := list(e[2])
		lo, _ := e[0].(int64)
		hi, _ := e[1].(int64)
		port, _ := master[1].(int64)
		addr := net.JoinHostPort(text(master[0]), strconv.FormatInt(port, 10))
		if c.masters[addr] == nil {
			if c.masters[addr], err = dialRedis(ctx, addr, t.config); err != nil {
				c.Close()
				return nil, err
			}
		}
		for s := lo; s <= hi && s < redisSlots; s++ {
			c.slots[s] = c.masters[addr]
		}
	}
	return c, nil
}

const redisSlots = 1 << 14

// redisClient has a connection to each master.
type redisClient struct {
	masters map[string]*redisConn
	slots   [redisSlots]*redisConn
}

// at returns the connection to a key's master. A slot is CRC-16 (XMODEM) of the key modulo 16384 (Redis Cluster specification, "Key
// distribution model"); our keys have no hash tags.
func (c *redisClient) at(key string) (*redisConn, error) {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	if m := c.slots[crc%redisSlots]; m != nil {
		return m, nil
	}
	return nil, errors.New("a slot has no master")
}

func (c *redisClient) get(ctx context.Context, key string) ([]byte, error) {
	m, err := c.at(key)
	if err != nil {
		return nil, err
	}
	m.bound(ctx)
	if err := m.send("GET", key); err != nil {
		return nil, err
	}
	v, err := m.reply()
	if err != nil {
		return nil, err
	}
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("GET says %v", v)
	}
	return b, nil
}

func (c *redisClient) put(ctx context.Context, key string, value []byte) error {
	m, err := c.at(key)
	if err != nil {
		return err
	}
	m.bound(ctx)
	if err := m.queue("SET", key, string(value)); err != nil {
		return err
	}
	if err := m.send("WAIT", "1", "5000"); err != nil {
		return err
	}
	_, err = m.reply()
	acks, werr := m.reply()
	if err = errors.Join(err, werr); err != nil {
		return err
	}
	if n, _ := acks.(int64); n < 1 {
		return errors.New("no replica acknowledged")
	}
	return nil
}

func (c *redisClient) Close() error {
	var errs []error
	for _, m := range c.masters {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(errs...)
}

// redisConn speaks RESP2, as much of it as is needed here.
type redisConn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dialRedis(ctx context.Context, addr string, config *tls.Config) (*redisConn, error) {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &redisConn{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10), out: bufio.NewWriterSize(conn, 80<<10)}, nil
}

func (c *redisConn) bound(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	} else {
		c.SetDeadline(time.Time{})
	}
}

func (c *redisConn) queue(words ...string) error {
	fmt.Fprintf(c.out, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(c.out, "$%d\r\n", len(w))
		c.out.WriteString(w)
		if _, err := c.out.WriteString("\r\n"); err != nil {
			return err
		}
	}
	return nil
}

func (c *redisConn) send(words ...string) error {
	if err := c.queue(words...); err != nil {
		return err
	}
	return c.out.Flush()
}

// reply reads one: a []byte, an int64, a []any, or nil.
func (c *redisConn) reply() (any, error) {
	head, err := c.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	head = strings.TrimSuffix(head, "\r\n")
	if head == "" {
		return nil, errors.New("an empty reply")
	}
	kind, rest := head[0], head[1:]
	if kind == '+' {
		return []byte(rest), nil
	}
	if kind == '-' {
		return nil, errors.New(rest)
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	switch {
	case err != nil || n > echoMax:
		return nil, fmt.Errorf("a reply that makes no sense: %.40q", head)
	case kind == ':':
		return n, nil
	case n < 0:
		return nil, nil
	case kind == '$':
		b := make([]byte, n+2)
		_, err := io.ReadFull(c.in, b)
		return b[:n], err
	case kind == '*':
		all := make([]any, n)
		for i := range all {
			if all[i], err = c.reply(); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("a reply that makes no sense: %.40q", head)
}

func list(x any) []any {
	l, _ := x.([]any)
	return l
}

func text(x any) string {
	b, _ := x.([]byte)
	return string(b)
}
