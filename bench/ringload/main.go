// Command ringload measures a ring through its public client, a Redis Cluster, and a bare QUIC echo of equal bytes, all with the same closed
// loop, so that their figures can stand beside each other. It starts no nodes: ring.py and ring_others.py do. It prints JSON lines.
//
//	ringload echo -listen 127.0.0.1:7100
//	ringload ring -nodes 127.0.0.1:7001,127.0.0.1:7002 -echo 127.0.0.1:7100 -dir /var/tmp   (the token in EDDY_RING_TOKEN)
//	ringload certificates -dir DIR
//	ringload silent -nodes 127.0.0.1:7001 -kind handshake
//	ringload redis -nodes 127.0.0.1:7201 -certificates DIR
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"
)

// plan is what to measure.
type plan struct {
	sizes, clients []int
	runs           int
	lasts, warm    time.Duration // of each measurement
	keys           int           // that each client writes; all read all
	echo           string        // address of the echo; "" = none
	dir            string        // on the file system whose sync is measured; "" = none
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("say what to do: echo, ring, silent, redis or certificates")
	}
	f := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	var p plan
	listen := f.String("listen", "127.0.0.1:7100", "of echo: the UDP address")
	nodes := f.String("nodes", "", "addresses, with commas between; clients are spread over those of a ring, a cluster tells about its others")
	via := f.String("via", "quic", "of ring: quic, or api (the addresses are then those of the HTTP interfaces)")
	certificates := f.String("certificates", "", "of redis: the directory that ringload certificates wrote")
	sizes := f.String("sizes", "100,65536", "bytes of a value")
	clients := f.String("clients", "1,16", "clients at once")
	f.IntVar(&p.runs, "runs", 5, "how often each measurement is taken, all in turns")
	f.DurationVar(&p.lasts, "for", 2*time.Second, "of one measurement")
	f.IntVar(&p.keys, "keys", 20, "keys that each client writes")
	f.StringVar(&p.echo, "echo", "", "address of ringload echo, measured in turns with the rest")
	f.StringVar(&p.dir, "dir", "", "directory: of ring, whose file system's sync is measured; of certificates, where they go")
	kind := f.String("kind", silentHello, "of silent: how far the strangers come: hello, handshake, initial or spoofed")
	connections := f.Int("connections", 10_000, "of silent: how many")
	networks := f.Int("networks", 1, "of silent: /24s that they come from")
	apart := f.Bool("apart", false, "of silent: none of them is the honest clients' network")
	probes := f.Int("probes", 10, "of silent: honest clients, one after the other")
	f.Parse(os.Args[2:])
	p.warm = p.lasts / 8
	err := errors.Join(numbers(*sizes, &p.sizes), numbers(*clients, &p.clients))
	if err == nil {
		switch addrs := strings.Split(*nodes, ","); os.Args[1] {
		case "echo":
			err = serveEcho(*listen)
		case "certificates":
			err = writeCertificates(p.dir)
		case "ring":
			err = p.measure(ringTarget{addrs, os.Getenv("EDDY_RING_TOKEN"), *via == "api"})
		case "silent":
			s := newSilent(*nodes, *kind, *connections, *networks, *apart, *probes)
			if err = s.check(); err == nil {
				err = s.run()
			}
		case "redis":
			err = p.measure(&redisTarget{first: addrs[0], certificates: *certificates})
		default:
			err = fmt.Errorf("%q is none of echo, ring, silent, redis and certificates", os.Args[1])
		}
	}
	if err != nil {
		log.Fatal("ringload: ", err)
	}
}

func numbers(text string, to *[]int) error {
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of at least 1", s)
		}
		*to = append(*to, n)
	}
	return nil
}

// line is one measurement. Times are in microseconds.
type line struct {
	What    string  `json:"what"` // echo, fetch, get, put, sync
	Run     int     `json:"run"`
	Size    int     `json:"size,omitempty"`
	Clients int     `json:"clients,omitempty"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	Rate    float64 `json:"ops_s"`
	Count   int     `json:"count"`
	Failed  int     `json:"failed"`
	Error   string  `json:"error,omitempty"` // the first
	Style   string  `json:"style,omitempty"` // of the echo
}

func print(l line) {
	if err := encode(l); err != nil {
		log.Fatal("ringload: ", err)
	}
}

func encode(document any) error { return json.NewEncoder(os.Stdout).Encode(document) }
