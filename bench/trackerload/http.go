package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An httpLoop announces over HTTP, one request at a time. It speaks the protocol by hand: net/http's client costs more
// than the trackers that it would measure.
type httpLoop struct {
	*load
	conn net.Conn
	r    *bufio.Reader
}

func (l *load) http(rng *rand.Rand) {
	h := httpLoop{load: l}
	var own []time.Duration
	for {
		start := time.Now()
		if start.After(l.end) {
			break
		}
		n, err := h.announce(rng.IntN(l.torrents), rng.IntN(l.per))
		if err != nil {
			l.failed.Add(1)
			h.close()
			continue
		}
		l.done.Add(1)
		l.read.Add(int64(n))
		own = append(own, time.Since(start))
		if !l.keepAlive {
			h.close()
		}
	}
	h.close()
	l.keep(own)
}

func (h *httpLoop) close() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}

// announce is one round for peer k of swarm t; it returns the length of the answer's body.
func (h *httpLoop) announce(t, k int) (int, error) {
	if h.conn == nil {
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			time.Sleep(time.Millisecond) // a refused connection must not become a busy loop
			return 0, err
		}
		h.conn, h.r = c, bufio.NewReaderSize(c, 8192)
	}
	connection := "close"
	if h.keepAlive {
		connection = "keep-alive"
	}
	_, err := fmt.Fprintf(h.conn, "GET %s?info_hash=%s&peer_id=-XX0001-%012d&port=%d&uploaded=0&downloaded=0&left=1048576"+
		"&compact=1&numwant=%d HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n",
		h.path, url.QueryEscape(string(h.hashes[t][:])), t*1000+k, k+1024, h.numwant, connection)
	if err != nil {
		return 0, err
	}
	return h.answer()
}

func (h *httpLoop) answer() (int, error) {
	r := textproto.NewReader(h.r)
	status, err := r.ReadLine()
	if err != nil {
		return 0, err
	}
	head, err := r.ReadMIMEHeader()
	if err != nil {
		return 0, err
	}
	var body []byte
	n, lengthErr := strconv.Atoi(head.Get("Content-Length"))
	if lengthErr == nil {
		body = make([]byte, n)
		_, err = io.ReadFull(h.r, body)
	} else {
		body, err = io.ReadAll(h.r)
	}
	if lengthErr != nil || head.Get("Connection") == "close" {
		h.close()
	}
	if err == nil && (!strings.Contains(status, " 200") || strings.Contains(string(body), "failure")) {
		err = errors.New("the tracker refused")
	}
	return len(body), err
}
