#!/usr/bin/python3
"""Thousands of QUIC connections to a ring node that never say who they are, each kind in turn: what they cost the node in memory and CPU, and how
long an honest client waits meanwhile, from dialling to an answer.

  ring_silent.py --eddy ../bin/eddy --load ringload/ringload
  ring_silent.py --eddy ../bin/eddy --load ringload/ringload --kinds handshake --networks 100
"""
import argparse, json, os, shutil, subprocess, tempfile, time
from harness import *
from ringmedian import *

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--eddy", required=True)
ap.add_argument("--load", required=True, help="ringload as built")
ap.add_argument("--connections", type=int, default=10000)
ap.add_argument("--networks", type=int, default=1, help="/24s that they come from; the honest clients come from the first")
ap.add_argument("--apart", action="store_true", help="the strangers come from other networks than the honest clients")
ap.add_argument("--kinds", default="hello,handshake,initial,spoofed")
ap.add_argument("--probes", type=int, default=10, help="honest clients, one after the other")
ap.add_argument("--timeout", type=float, default=120)
a = ap.parse_args()
own_netns()


def memory(pid, field):
    """MB of the node."""
    with open("/proc/%d/status" % pid) as f:
        return sum(int(l.split()[1]) for l in f if l.startswith(field + ":")) / 1024


for kind in a.kinds.split(","):
    work = tempfile.mkdtemp(prefix="silent", dir="/dev/shm")
    p = None
    try:
        log = os.path.join(work, "log")
        p = Proc([a.eddy, "ring", "node", "--data", os.path.join(work, "node"), "--listen", "127.0.0.1:7001", "--replicas", "1", "--json"], log)
        os.environ["EDDY_RING_TOKEN"] = await_line(p, log, "ready", a.timeout)["token"]
        time.sleep(1)
        before, cpu = memory(p.pid, "VmRSS"), sum(p.cpu())
        with open("/proc/%d/clear_refs" % p.pid, "w") as f:
            f.write("5")  # forget the peak so far
        out = subprocess.run([a.load, "silent", "-nodes", "127.0.0.1:7001", "-kind", kind, "-connections", str(a.connections),
                              "-networks", str(a.networks), "-probes", str(a.probes)] + ["-apart"] * a.apart, stdout=subprocess.PIPE, text=True, timeout=a.timeout * 5)
        if out.returncode:
            raise SystemExit(out.stdout)
        row = json.loads(out.stdout)
        peak = memory(p.pid, "VmHWM")
        row.update(rss_before_mb=round(before, 1), rss_added_mb=round(peak - before, 1), node_cpu_s=round(sum(p.cpu()) - cpu, 2))
        for k in ("flood_s", "alone_s", "slowest_s"):
            row[k] = round(row[k], 4)
        print(json.dumps(row), flush=True)
    finally:
        if p:
            p.stop()
        shutil.rmtree(work, ignore_errors=True)
