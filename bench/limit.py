#!/usr/bin/python3
"""The physical limit of a one-to-one transfer on this machine, in the figures of transfer.py: sendfile on one side; read,
SHA-1 and one write on the other (`go build -o bench/limit/limit ./bench/limit` first; run.py does it).
Run it beside each measurement and quote ratios to it.   limit.py --size 2G --piece 1M --runs 5"""
import argparse, json, os, shutil, statistics, subprocess, tempfile, time
from harness import HERE, make_data, own_netns, parse_size, same

ap = argparse.ArgumentParser(description=__doc__)
ap.add_argument("--size", default="2G")
ap.add_argument("--piece", default="1M")
ap.add_argument("--runs", type=int, default=3)
ap.add_argument("--workers", type=int, default=1)
ap.add_argument("--work", help="directory to work in (default: a fresh one on tmpfs)")
ap.add_argument("--limit", default=os.path.join(HERE, "limit", "limit"))
a = ap.parse_args()
own_netns()
size = parse_size(a.size)
work = a.work or tempfile.mkdtemp(prefix="limit", dir="/dev/shm")
src, dst, rows = os.path.join(work, "src.bin"), os.path.join(work, "dst.bin"), []
try:
    make_data(src, size)
    for r in range(a.runs):
        if os.path.exists(dst):
            os.unlink(dst)
        s = subprocess.Popen([a.limit, "-mode", "send", "-file", src, "-size", str(size)], stdout=subprocess.PIPE)
        time.sleep(0.2)
        recv = json.loads(subprocess.check_output([a.limit, "-mode", "recv", "-file", dst, "-size", str(size), "-piece",
                                                   str(parse_size(a.piece)), "-workers", str(a.workers)]))
        send = json.loads(s.communicate()[0])
        rows.append({"wall": recv["wall"], "MBps": recv["MBps"], "seed_cpu_per_GiB": send["cpu_per_GiB"],
                     "leech_cpu_per_GiB": recv["cpu_per_GiB"], "seed_rss_mb": send["rss_mb"], "leech_rss_mb": recv["rss_mb"],
                     "ok": same(src, dst)})
        print(json.dumps({"what": "limit", "size": size, "run": r + 1, **rows[-1]}), flush=True)
    keys = [k for k in rows[0] if k != "ok"]
    print(json.dumps({"what": "limit-median", "size": size, "runs": a.runs, "ok": all(r["ok"] for r in rows),
                      **{k: round(statistics.median(r[k] for r in rows), 3) for k in keys}}), flush=True)
finally:
    if not a.work:
        shutil.rmtree(work, ignore_errors=True)
