#!/usr/bin/python3
"""One seeder to N leechers, all started together; until the last is complete.
With caps, prints the ratio to the fluid lower bound max(F/us, NF/(us+sum ui)), and how
honestly the caps were kept, as the sockets' own counters saw it (uploads.py).

  swarm.py --client transmission --leechers 8 --size 512M
  swarm.py --client libtorrent --leechers 10 --size 64M --seed-up 4M --leech-up 2M
"""
import argparse, json, os, shutil, tempfile
from harness import *
from uploads import Uploads

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
add_client_args(ap)
ap.add_argument("--leechers", type=int, default=8)
ap.add_argument("--size", default="512M")
ap.add_argument("--piece", default="1M")
ap.add_argument("--seed-up", default="0", help="upload cap of the seeder, bytes/s")
ap.add_argument("--leech-up", default="0", help="upload cap of each leecher, bytes/s; several, as 1M,4M, are dealt in turn")
a = ap.parse_args()
own_netns()
size, piece, n = parse_size(a.size), parse_size(a.piece), a.leechers
us = parse_size(a.seed_up)
caps = [parse_size(x) for x in a.leech_up.split(",")]
ups = [caps[i % len(caps)] for i in range(n)]  # of leecher i
work = a.work or tempfile.mkdtemp(prefix="peers", dir="/dev/shm")
os.makedirs(os.path.join(work, "src"), exist_ok=True)
try:
    data = os.path.join(work, "src", "data%d.bin" % size)
    make_data(data, size)
    maker, rows = cached_torrent_maker(work, piece), []
    bound = max(size / us, n * size / (us + sum(ups))) if us and all(ups) else None
    for r in range(a.runs):
        d = {"what": "swarm", "client": a.name or a.client, "leechers": n, "size": size, "piece": piece,
             "seed_up": us, "leech_up": caps if len(caps) > 1 else caps[0], "crypt": a.crypt, "run": r + 1}
        watch = Uploads() if bound else None
        d.update(Swarm(a, work, maker, n, us, ups, stay=True).go(data))
        if bound:
            d.update(watch.stop().honesty([us] + ups, d["wall"]))
        d["cpu"] = round(d["seed_user"] + d["seed_sys"] + d["leech_user"] + d["leech_sys"], 2)
        d["MBps_total"] = round(n * size / 1e6 / d["wall"], 1)
        if bound:
            d["bound"], d["ratio"] = round(bound, 2), round(d["wall"] / bound, 3)
        rows.append(d)
        print(json.dumps(d), flush=True)
    keys = ["wall", "first", "median", "cpu", "MBps_total", "leech_rss_mb", "leech_anon_mb"] + (["ratio", "upload_over_cap", "burst_over_allowed"] if bound else [])
    print(json.dumps({"what": "swarm-median", "client": a.name or a.client, "leechers": n, "size": size, "piece": piece,
                      "crypt": a.crypt, "runs": a.runs, "ok": all(r["ok"] for r in rows), **{k: round(med(rows, k), 3) for k in keys}}), flush=True)
finally:
    if not a.work:
        shutil.rmtree(work, ignore_errors=True)
