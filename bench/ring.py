#!/usr/bin/python3
"""A ring of eddy nodes, each a process with its data on disk, under the load of ringload: quorum reads and
writes beside a bare QUIC echo of equal bytes and the sync of that disk, all in turns.

  ring.py --eddy ../bin/eddy --load ringload/ringload
  ring.py --eddy ../bin/eddy --load ringload/ringload --nodes 3 --sizes 100 --clients 1 --runs 1 --for 1s
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time
from harness import *
from ringmedian import *

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--eddy", required=True)
ap.add_argument("--load", required=True, help="ringload as built")
ap.add_argument("--nodes", type=int, default=5)
ap.add_argument("--via", default="quic", choices=["quic", "api"])
add_load_args(ap)
a = ap.parse_args()
own_netns()
work = tempfile.mkdtemp(prefix="ring", dir=a.dir)
procs = []


def node(i, token=None):
    """Starts a node and returns its ready event."""
    argv = [a.eddy, "ring", "node", "--data", os.path.join(work, "node%d" % i), "--listen", "127.0.0.1:%d" % (7001 + i),
            "--api", "127.0.0.1:%d" % (7101 + i), "--json"]
    if token:
        os.environ["EDDY_RING_TOKEN"] = token
        argv += ["--join", "127.0.0.1:7001"]
    log = os.path.join(work, "node%d.log" % i)
    procs.append(Proc(argv, log))
    return await_line(procs[-1], log, "ready", a.timeout)


def check():
    """What eddy ring check says once it finds nothing wrong."""
    end = time.monotonic() + a.timeout
    while True:
        p = subprocess.run([a.eddy, "ring", "check", "--node", "127.0.0.1:7001", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if p.returncode == 0 and json.loads(p.stdout)["hosts"] == a.nodes:
            return
        if time.monotonic() > end:
            raise SystemExit("the ring does not become whole: " + (p.stderr or p.stdout)[-800:])
        time.sleep(0.5)


try:
    token = node(0)["token"]
    for i in range(1, a.nodes):
        node(i, token)
    check()
    log = os.path.join(work, "echo.log")
    procs.append(Proc([a.load, "echo", "-listen", "127.0.0.1:7201"], log))
    await_line(procs[-1], log, "ready", a.timeout)
    first = 7001 if a.via == "quic" else 7101
    cpu = [sum(p.cpu()) for p in procs]
    rows = load(a, ["ring", "-via", a.via, "-echo", "127.0.0.1:7201", "-dir", work,
                    "-nodes", ",".join("127.0.0.1:%d" % (first + i) for i in range(a.nodes))])
    for p in procs:
        p.sample()
    check()  # a load after which the ring is not whole was none
    report("ring", rows, via=a.via, nodes=a.nodes, file_system=file_system(work),
           node_cpu_s=round(sum(sum(p.cpu()) for p in procs[:a.nodes]) - sum(cpu[:a.nodes]), 2),
           node_rss_mb=round(max(p.rss for p in procs[:a.nodes]) / 1024, 1))
finally:
    for p in procs:
        p.stop()
    shutil.rmtree(work, ignore_errors=True)
