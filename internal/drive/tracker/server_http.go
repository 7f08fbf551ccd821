package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// Bounds of one HTTP exchange. What a peer sends fits one packet; who takes longer is broken or hostile.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 10 * time.Second
	idleTimeout    = 15 * time.Second
	fileTimeout    = 10 * time.Minute // for Fallback, which may serve a large .torrent to a slow line
	headerBytes    = 8 << 10
	shutdownGrace  = time.Second
)

// buffers holds []byte for answers: a peer list and the bencoding around it.
var buffers = sync.Pool{New: func() any { return &answerBuffer{peers: make([]byte, 0, 4096), body: make([]byte, 0, 8192)} }}

type answerBuffer struct{ peers, body []byte }

// serveHTTP serves h on l until ctx ends, then lets requests under way finish within a second.
func (s *Server) serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes - 4096, // net/http allows 4,096 bytes more than it is told
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if g, ok := c.(*gateConn); ok && state == http.StateIdle {
				g.setWaiting(true)
			}
		},
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-ended // Serve returns when Shutdown begins; requests under way end with it
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// connKey is the context key of a request's net.Conn.
type connKey struct{}

// ServeHTTP implements http.Handler. A panic in it is caught by net/http and ends that connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*gateConn); ok {
		c.setWaiting(false) // its headers are in
	}
	answer, limit := s.serveOther, fileTimeout
	switch r.URL.Path {
	case "/announce":
		answer, limit = s.serveAnnounce, answerTimeout
	case "/scrape":
		answer, limit = s.serveScrape, answerTimeout
	case "/stats":
		answer, limit = s.serveStats, answerTimeout
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
	answer(w, r)
}

func (s *Server) serveOther(w http.ResponseWriter, r *http.Request) { s.cfg.Fallback.ServeHTTP(w, r) }

// serveAnnounce answers an announce. A refusal is an answer too, with status 200: clients read no others (BEP 3).
func (s *Server) serveAnnounce(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	s.counters.httpAnnounces.Add(1)
	buf := buffers.Get().(*answerBuffer)
	defer buffers.Put(buf)
	var response announce.Response
	req, err := announce.ParseQuery(r.URL.RawQuery)
	from, known := remote(r)
	switch {
	case err != nil:
		s.counters.malformed.Add(1)
		response.Failure = err.Error()
	case !known:
		response.Failure = "unknown address"
	default:
		response = s.announce(&req, from, maxHTTPPeers, buf.peers[:0])
	}
	buf.body = announce.AppendResponse(buf.body[:0], &response, req.Dictionaries)
	writeBencoded(w, buf.body)
}

// maxHTTPPeers is the most peers in an HTTP answer, those of ServerConfig.Static among them.
const maxHTTPPeers = 200

func (s *Server) serveScrape(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	s.counters.scrapes.Add(1)
	hashes, err := announce.ParseScrapeQuery(r.URL.RawQuery)
	if err != nil {
		s.counters.malformed.Add(1)
		writeBencoded(w, announce.AppendResponse(nil, &announce.Response{Failure: err.Error()}, false))
		return
	}
	served := slices.DeleteFunc(hashes, func(h [20]byte) bool { return !s.serves(h) })
	rows, err := s.scrape(make([]announce.Counts, 0, len(served)), served...)
	if err != nil {
		refusal := s.unavailable()
		writeBencoded(w, announce.AppendResponse(nil, &refusal, false))
		return
	}
	writeBencoded(w, announce.AppendScrape(nil, served, rows))
}

func (s *Server) serveStats(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.Stats())
}

// readOnly refuses methods other than GET and HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

// writeBencoded writes an answer. Nothing can be done about a write error: the peer is gone.
func writeBencoded(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Type"] = plainText
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.Write(body)
}

var plainText = []string{"text/plain"}

// remote returns where a request came from. Headers that claim otherwise are not believed.
func remote(r *http.Request) (netip.AddrPort, bool) {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port()), err == nil
}
