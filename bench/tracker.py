#!/usr/bin/python3
"""A tracker under load: fill it with peers, then announces per second by UDP and by HTTP,
latencies, CPU and memory. Needs the load generator:

  go build -o bench/trackerload/trackerload ./bench/trackerload
  tracker.py
  tracker.py --name eddy --cmd 'bin/eddy tracker --udp {ip}:{port} --http {ip}:{port} --state {state} -q'
  tracker.py --name x --cmd 'x tracker --udp {ip}:{port} --http {ip}:{port} --whitelist {hashes}'
"""
import argparse, json, os, shutil, subprocess, tempfile, time
from harness import *

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--load", default=os.path.join(HERE, "trackerload", "trackerload"))
ap.add_argument("--name", default="opentracker")
ap.add_argument("--cmd", help="tracker template; fields ip, port, hashes (file of info hashes in hex), state")
ap.add_argument("--torrents", type=int, default=10000)
ap.add_argument("--per", type=int, default=100, help="peers per torrent")
ap.add_argument("--dur", default="5s")
ap.add_argument("--runs", type=int, default=3)
a = ap.parse_args()
own_netns()
a.load = os.path.abspath(a.load)
state = tempfile.mkdtemp(prefix="tracker", dir="/dev/shm")
p = None
try:
    os.chmod(state, 0o755)
    hashes = os.path.join(state, "hashes.txt")
    with open(hashes, "w") as f:
        subprocess.run([a.load, "-list", "-torrents", str(a.torrents)], stdout=f, check=True)
    ip, port = "10.77.0.1", 6969
    cmd = a.cmd or "opentracker -i {ip} -p {port} -P {port} -u nobody -d {state} -w /hashes.txt"
    p = Proc(cmd.format(ip=ip, port=port, hashes=hashes, state=state), os.path.join(state, "log"))
    time.sleep(2)
    p.sample()
    rss0 = p.rss

    def load(*args):
        c0 = p.cpu()
        r = subprocess.run([a.load, "-addr", "%s:%d" % (ip, port), "-torrents", str(a.torrents), "-per", str(a.per)]
                           + list(args), stdout=subprocess.PIPE, check=True)
        c1 = p.cpu()
        d = json.loads(r.stdout)
        d["tracker_cpu"] = round(c1[0] + c1[1] - c0[0] - c0[1], 2)
        d["tracker_us_per_announce"] = round(d["tracker_cpu"] * 1e6 / max(1, d["ok"]), 2)
        p.sample()
        return d

    d = load("-fill", str(a.torrents * a.per), "-numwant", "0")
    print(json.dumps({"what": "tracker-fill", "tracker": a.name, "peers": a.torrents * a.per, "torrents": a.torrents,
                      "rss_empty_mb": round(rss0 / 1024, 1), "rss_mb": round(p.rss / 1024, 1), **d}), flush=True)
    for what, args in [("udp 1x1", ["-mode", "udp", "-socks", "1", "-window", "1"]),
                       ("udp 4x64", ["-mode", "udp", "-socks", "4", "-window", "64"]),
                       ("udp 4x64 numwant 0", ["-mode", "udp", "-socks", "4", "-window", "64", "-numwant", "0"]),
                       ("http close 32", ["-mode", "http", "-socks", "32"]),
                       ("http keep-alive 32", ["-mode", "httpka", "-socks", "32"])]:
        rows = [load("-dur", a.dur, *args) for _ in range(a.runs)]
        print(json.dumps({"what": "tracker", "tracker": a.name, "load": what, "runs": a.runs,
                          **{k: med(rows, k) for k in ["per_s", "err", "p50_us", "p99_us", "avg_bytes", "tracker_us_per_announce"]}}), flush=True)
    print(json.dumps({"what": "tracker-end", "tracker": a.name, "rss_mb": round(p.rss / 1024, 1)}), flush=True)
finally:
    if p:
        p.stop()
    shutil.rmtree(state, ignore_errors=True)
