#!/usr/bin/python3
"""Five OpenDHT nodes (Debian's python3-opendht: the C++ library, no Python in a node's way) without rate limits, under the closed loop that ringload
has. Each client is one more node, in the load's process, as programs of OpenDHT are. Values are in memory alone, on the eight nodes nearest to the
key; datagrams that get lost are not sent again for seconds, which shows as failures or long times. Prints what ringload prints.

  ring_opendht.py
  ring_opendht.py node PORT [BOOTSTRAP]       one of the nodes; runs until it is ended
"""
import argparse, json, os, random, shutil, subprocess, sys, tempfile, threading, time
from harness import *
from ringmedian import *

try:
    import opendht
except ImportError:
    print(json.dumps({"what": "opendht", "note": "python3-opendht is not installed"}))
    raise SystemExit


def start(port, bootstrap=None):
    config = opendht.DhtConfig()
    config.setRateLimit(-1, -1)  # none: requests a second in all, and of one address
    n = opendht.DhtRunner()
    n.run(port=port, config=config)
    if bootstrap:
        n.bootstrap("127.0.0.1", str(bootstrap))
    return n


if len(sys.argv) > 2 and sys.argv[1] == "node":
    n = start(int(sys.argv[2]), *sys.argv[3:4])
    print(json.dumps({"what": "ready"}), flush=True)
    while True:
        time.sleep(60)

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--load", help="not needed: the load is made here")
ap.add_argument("--keys", type=int, default=20, help="that each client writes")
add_load_args(ap)
a = ap.parse_args()
own_netns()
sizes, counts = [int(s) for s in a.sizes.split(",")], [int(c) for c in a.clients.split(",")]
lasts = float(a.lasts[:-2]) / 1000 if a.lasts.endswith("ms") else float(a.lasts.rstrip("s"))


def key(size, i, j):
    return opendht.InfoHash.get("ringload/%d/%02d/%03d" % (size, i, j))


def put(node, k, size):
    v = opendht.Value(os.urandom(size))
    v.id = 1  # the same each time: a put replaces the last
    return node.put(k, v)


def get(node, k, size):
    found = node.get(k)
    return bool(found) and len(found[0].data) == size


def loop(what, run, size, n, operate):
    """ringload's loop."""
    took, failed, ended = [[] for _ in range(n)], [0] * n, [0.0] * n
    begin = time.monotonic() + lasts / 8

    def work(i):
        while True:
            at = time.monotonic()
            if at > begin + lasts:
                return
            ok = operate(i)
            now = time.monotonic()
            if at >= begin and ok:
                took[i].append(now - at)
                ended[i] = now - begin
            elif at >= begin:
                failed[i] += 1
    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    all_ = sorted(t for ts in took for t in ts)
    line = {"what": what, "run": run, "size": size, "clients": n, "count": len(all_), "failed": sum(failed), "p50_us": 0, "p99_us": 0, "ops_s": 0}
    if all_:
        line.update(p50_us=all_[len(all_) // 2] * 1e6, p99_us=all_[len(all_) * 99 // 100] * 1e6, ops_s=len(all_) / max(ended))
    print(json.dumps(line), flush=True)
    return line


work = tempfile.mkdtemp(prefix="opendht", dir=a.dir)
procs, rows, refused = [], [], {}
try:
    for i in range(5):
        log = os.path.join(work, "node%d.log" % i)
        procs.append(Proc([sys.executable, os.path.abspath(__file__), "node", str(7401 + i)] + ["7401"] * (i > 0), log))
        await_line(procs[-1], log, "ready", a.timeout)
    clients = [start(7501 + i, 7401 + i % 5) for i in range(max(counts))]
    time.sleep(3)  # the nodes get to know each other; nothing tells when they do
    for size in sizes:
        if not put(clients[0], key(size, 0, 0), size):
            refused[size] = "OpenDHT refuses values of %d bytes" % size
            continue
        for i, c in enumerate(clients):
            for j in range(a.keys):
                if not put(c, key(size, i, j), size):
                    raise SystemExit("a put of %d bytes failed" % size)
    for run in range(1, a.runs + 1):
        for size in sizes:
            for n in counts if size not in refused else ():
                rows.append(loop("get", run, size, n, lambda i: get(clients[i], key(size, random.randrange(len(clients)), random.randrange(a.keys)), size)))
                rows.append(loop("put", run, size, n, lambda i: put(clients[i], key(size, i, random.randrange(a.keys)), size)))
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "python3-opendht"], stdout=subprocess.PIPE, text=True).stdout
    report("opendht", rows, version=version, note="; ".join(refused.values()) or None)
finally:
    for p in procs:
        p.stop()
    shutil.rmtree(work, ignore_errors=True)
sys.stdout.flush()
os._exit(0)  # the library's threads do not end by themselves
