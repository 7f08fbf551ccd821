#!/usr/bin/python3
"""The speed table in one run: builds eddy and the helpers, keeps memory warm (pin.py), measures
each case and its rivals, prints the table, writes bench/out/*.json. Needs root (see README.md).

  run.py                        everything, about an hour (the lab takes half of it)
  run.py --quick                small sizes, one run each: does it work at all? about 3 minutes
  run.py --case transfer-1m     (repeatable; --list names them)
  run.py --docs docs/bench.md   also replace the table between the marks in that file
"""
import argparse, json, os, platform, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
MARKS = "<!-- table: written by bench/run.py -->", "<!-- end of table -->"

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--quick", action="store_true")
ap.add_argument("--case", action="append", default=[])
ap.add_argument("--list", action="store_true")
ap.add_argument("--eddy", help="a built eddy (default: build one from this tree)")
ap.add_argument("--no-rivals", action="store_true", help="measure eddy alone where the bar does not need a rival")
ap.add_argument("--docs", help="write the table into this file, between its marks")
ap.add_argument("--pin", type=int, help="GiB for pin.py (default: half of what is available, at most 12; 0: none)")
ap.add_argument("--keep-logs", help="copy each peer's output into this directory")
a = ap.parse_args()

SIZE, SWARM, CAPPED, RUNS = ("256M", "64M", "16M", 1) if a.quick else ("2G", "512M", "64M", 3)
EDDY = os.path.abspath(a.eddy) if a.eddy else os.path.join(ROOT, "bin", "eddy")
COMMON = " --listen {ip}:{port} --limit-up {up} --state {state} -q"
SEED = EDDY + " seed {torrent} {dir}" + COMMON
LEECH = EDDY + " get {torrent} -d {dir}" + COMMON + " --no-seed"
# In a swarm the leecher stays; the script knows of its completion by the file.
STAY = EDDY + " get {torrent} -d {dir}" + COMMON + " --seed --on-complete 'touch {done}'"


def say(*args):
    print(*args, file=sys.stderr, flush=True)


def script(name, *args, timeout=1800):
    """Runs a script of this directory; returns its JSON lines. A failed measurement is data too."""
    argv = [sys.executable, os.path.join(HERE, name), *map(str, args)]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    rows = [json.loads(l) for l in p.stdout.splitlines() if l.startswith("{")]
    for r in rows:
        say("   ", json.dumps(r))
    if p.returncode:
        say("    failed:", p.stderr[-800:])
        rows.append({"what": "failed", "error": (p.stderr.strip().splitlines() or ["exit %d" % p.returncode])[-1][-300:]})
    OUT["runs"].append({"script": name, "args": list(map(str, args)), "rows": rows})
    return rows


def client(name, leech):
    logs = ["--keep-logs", a.keep_logs] if a.keep_logs and name == "eddy" else []
    if name == "eddy":
        return ["--client", "cmd", "--name", "eddy", "--seed-cmd", SEED, "--leech-cmd", leech] + logs
    return ["--client", name]


def last(rows, what):
    """The row of medians; None if the measurement failed or a copy differed."""
    r = [x for x in rows if x["what"] == what]
    return r[-1] if r and r[-1].get("ok", True) else None


def transfer(name, piece):
    return last(script("transfer.py", *client(name, LEECH), "--size", SIZE, "--piece", piece, "--runs", RUNS), "transfer-median")


def swarm(name, *args, runs=RUNS):
    return last(script("swarm.py", *client(name, STAY), "--runs", runs, *args), "swarm-median")


ROWS, MEMO = [], {}


def row(case, eddy, other, ratio, bar, goal, unit=""):
    """One line of the table. bar and goal bound the ratio from above; None: there is none."""
    verdict = "-" if bar is None else "failed" if ratio is None else \
        "goal" if ratio <= goal else "bar" if ratio <= bar else "missed"
    ROWS.append({"case": case, "eddy": eddy, "other": other, "ratio": ratio, "bar": bar, "goal": goal, "unit": unit, "verdict": verdict})
    say("  ", ROWS[-1])


def num(x, unit=""):
    return "-" if x is None else "%.4g%s" % (x, unit)


def per(x, y):
    return round(x / y, 3) if x is not None and y else None


def get(r, *keys):
    return None if r is None else sum(r[k] for k in keys)


def limit():
    r = last(script("limit.py", "--size", SIZE, "--runs", RUNS), "limit-median")
    if r:
        MEMO.setdefault("limits", []).append(r)


def the_limit():
    return statistics.mean(r["wall"] for r in MEMO["limits"]) if MEMO.get("limits") else None


def case_transfer_1m():
    limit()
    eddy = MEMO["1m"] = transfer("eddy", "1M")
    rivals = [] if a.no_rivals else [(n, transfer(n, "1M")) for n in ("libtorrent", "aria2")]
    limit()
    cpu = ("seed_cpu_per_GiB", "leech_cpu_per_GiB")
    for name, r in [("eddy", eddy)] + rivals:
        own = name == "eddy"
        other = the_limit()
        row("one to one, 1 MiB pieces: wall" + ("" if own else " of " + name), num(get(r, "wall"), " s"),
            "limit " + num(other, " s"), per(get(r, "wall"), other), 1.4 if own else None, 1.15 if own else None)
    best = min([x for x in (get(r, *cpu) for _, r in rivals) if x is not None], default=None)
    row("same: CPU of both sides, s/GiB", num(get(eddy, *cpu)), "best rival " + num(best), get(eddy, *cpu) and round(get(eddy, *cpu), 3), 2.3, 1.8)
    for side in ("seed", "leech"):
        k = side + "_rss_mb"
        best = min([x for x in (get(r, k) for _, r in rivals) if x is not None], default=None)
        row("same: peak memory, %s, MB" % {"seed": "seeder", "leech": "leecher"}[side], num(get(eddy, k)), "best rival " + num(best), get(eddy, k), 64, 40)


def case_transfer_256k():
    base = MEMO.get("1m") or transfer("eddy", "1M")
    r = transfer("eddy", "256K")
    row("one to one, 256 KiB pieces: wall", num(get(r, "wall"), " s"), "1 MiB " + num(get(base, "wall"), " s"),
        per(get(r, "wall"), get(base, "wall")), 1.1, 1.05)


def case_swarm_8():
    args = ["--leechers", 8, "--size", SWARM]
    eddy, other = swarm("eddy", *args), swarm("libtorrent", *args)
    row("1 to 8, %s: last done" % SWARM, num(get(eddy, "wall"), " s"), "libtorrent " + num(get(other, "wall"), " s"),
        per(get(eddy, "wall"), get(other, "wall")), 0.75, 0.5)


def capped(title, piece, leech_up, bar, goal):
    args = ["--leechers", 10, "--size", CAPPED, "--piece", piece, "--seed-up", "4M", "--leech-up", leech_up]
    eddy = swarm("eddy", *args)
    rivals = [] if a.no_rivals or a.quick else [(n, swarm(n, *args, runs=1)) for n in ("libtorrent", "aria2")]
    others = ", ".join("%s %s" % (n, num(get(r, "ratio"))) for n, r in rivals) or "-"
    row(title + ": last done / bound", num(get(eddy, "wall"), " s"), others, get(eddy, "ratio"), bar, goal)
    row(title + ": most that a peer uploaded / (cap x wall)", num(get(eddy, "upload_over_cap")), "-", get(eddy, "upload_over_cap"), 1.01, 1.01)
    row(title + ": worst burst / allowed", num(get(eddy, "burst_over_allowed")), "-", get(eddy, "burst_over_allowed"), 1.0, 1.0)


def case_capped_256k():
    capped("10 leechers at 2 MiB/s, seeder at 4, 256 KiB pieces", "256K", "2M", 1.10, 1.05)


def case_capped_1m():
    capped("same, 1 MiB pieces", "1M", "2M", 1.15, 1.08)


def case_capped_mixed():
    capped("same, half at 1 and half at 4 MiB/s, 256 KiB pieces", "256K", "1M,4M", 1.15, 1.08)


def case_create():
    """In turns, since a second of hashing is shorter than this machine's moods; the median of each one's medians."""
    def make(name, cmd):
        return get(last(script("hash.py", "--size", SIZE, "--runs", RUNS, "--name", name, "--cmd", cmd), "hash"), "wall")
    walls = {"eddy": [], "mktorrent": []}
    for _ in range(1 if a.quick else 5):
        walls["eddy"].append(make("eddy", EDDY + " create {file} -o {out} -t http://x/announce --piece-size {piece} -q"))
        walls["mktorrent"].append(make("mktorrent", "mktorrent -t 2 -l {log2} -a http://x/announce -o {out} {file}"))
    eddy, other = (statistics.median(w) if all(w) else None for w in walls.values())
    row("create, %s: wall" % SIZE, num(eddy, " s"), "mktorrent -t 2 " + num(other, " s"), per(eddy, other), 1.1, 0.9)


def silent(addresses):
    n = 2000 if a.quick else 10000
    r = last(script("silent.py", *client("eddy", LEECH), "--connections", n, "--addresses", addresses), "silent")
    title = "%d silent connections from %s" % (n, "one address" if addresses == 1 else "%d addresses" % addresses)
    row(title + ": memory added, MB", num(get(r, "rss_added_mb")), "-", get(r, "rss_added_mb"), 150, 50)
    wait = r and r["handshake_max_s"]
    row(title + ": an honest peer's handshake, s", num(wait), "-", wait, 1, 0.1)


def case_silent():
    silent(1)
    silent(2500)


def simulate(peers, size, degree, minutes, gib):
    """The piece-level simulator on one core."""
    p = subprocess.run([EDDY, "sim", "run", "--fidelity", "fast", "--peers", str(peers), "--size", size, "--piece-size", "256KiB",
                        "--server", "10MB", "--up", "1MB", "--degree", str(degree), "--seed", "1", "--json", "--progress", "none"],
                       stdout=subprocess.PIPE, env=dict(os.environ, GOMAXPROCS="1"), timeout=7200)
    r = json.loads(p.stdout) if p.returncode == 0 else None
    OUT["runs"].append({"script": "sim", "args": [peers, size, degree], "rows": [r]})
    title = "simulated swarm, %d peers, %s, degree %d" % (peers, size, degree)
    wall, rss = get(r, "wall_s"), get(r, "peak_rss_bytes")
    row(title + ": wall on one core, s", num(wall), "-", wall, 60 * minutes, 30 * minutes)
    row(title + ": peak memory, GiB", num(rss and rss / 2**30), "-", rss and round(rss / 2**30, 3), gib, gib / 2)


def case_sim():
    simulate(*(10000, "16MiB", 50, 3, 2) if a.quick else (100000, "64MiB", 50, 3, 2))


def case_sim_million():
    simulate(*(20000, "8MiB", 30, 20, 8) if a.quick else (1000000, "32MiB", 30, 20, 8))


def case_sim_ring():
    """The ring's own code in virtual time, with a million nodes, against theory (docs/ring.md)."""
    nodes = 1 << (14 if a.quick else 20)
    for successors in 8, 20:
        p = subprocess.run([EDDY, "sim", "ring", "--nodes", str(nodes), "--lookups", "100000", "--successors", str(successors), "--json", "--progress", "none"],
                           stdout=subprocess.PIPE, timeout=7200)
        r = json.loads(p.stdout) if p.returncode == 0 else None
        OUT["runs"].append({"script": "sim ring", "args": [nodes, successors], "rows": [r]})
        title = "simulated ring, %d nodes, %d successors" % (nodes, successors)
        hops = r and r["hops"]
        row(title + ": |mean hops - theory| / theory", num(hops and hops["mean"]), "theory " + num(hops and hops["expected"]),
            hops and round(abs(hops["mean"] / hops["expected"] - 1), 4), 0.03, 0.01)
        row(title + ": failed lookups and violations", num(get(r, "failed_lookups", "violations")), "-", get(r, "failed_lookups", "violations"), 0, 0)
        if successors == 8:
            wall, rss = get(r, "wall_s"), get(r, "peak_rss_bytes")
            row(title + ": wall, s", num(wall), "-", wall, 600, 300)
            row(title + ": peak memory, GiB", num(rss and rss / 2**30), "-", rss and round(rss / 2**30, 3), 8, 4)


def ring_load(name, *args):
    """Medians of a load of 100 B and 64 KiB by 1 and 16 clients, by (operation, size, clients)."""
    rows = script(name, "--load", RINGLOAD, "--runs", 1 if a.quick else 5, "--for", "500ms" if a.quick else "2s", *args, timeout=7200)
    medians = {(r["op"], r["size"], r["clients"]): r for r in rows if r["what"].endswith("-median")}
    about = [r for r in rows if "file_system" in r or "note" in r]
    return medians, about[-1] if about else {}


def took(r, key="p50_us"):
    """Milliseconds; None for what was not measured, or was with failures."""
    return r[key] / 1000 if r and r[key] is not None and not r["failed"] else None


def pace(r):
    """Operations a second, likewise."""
    return r["ops_s"] if r and not r["failed"] else None


def outcome(r, about):
    """A figure beside the ring's."""
    if not r or r["ops_s"] is None:
        return about.get("note") or "none succeeded"
    failed = ", %d failed" % r["failed"] if r["failed"] else ""
    return "%s, %s%s" % (num(r["p50_us"] / 1000, " ms"), num(r["ops_s"], "/s"), failed)


def case_ring():
    """Five nodes with their data on a disk, R=3, W=2, Q=2, beside a bare QUIC echo and the sync of that disk."""
    m, about = ring_load("ring.py", "--eddy", EDDY)
    sync = took(m.get(("sync", None, None)))
    for size in 100, 65536:
        title = "ring of %s on %s, %s: " % (about.get("nodes", "?"), about.get("file_system", "?").split(" ")[0], "100 B" if size == 100 else "64 KiB")
        echo, fetch, get_, put = (m.get((op, size, 1)) for op in ("echo", "fetch", "get", "put"))
        row(title + "get, p50 / echo", num(took(get_), " ms"), "echo %s, one way %s" % (num(took(echo), " ms"), num(took(fetch), " ms")),
            per(took(get_), took(echo)), 4, 4)
        floor = 4 * took(echo) + 4 * sync if echo and sync else None
        row(title + "put, p50 / (4 echoes + 4 syncs)", num(took(put), " ms"), "echo %s, sync %s" % (num(took(echo), " ms"), num(sync, " ms")),
            per(took(put), floor), 1, 1)
        for op, bar, goal in ("get", 5, 3), ("put", None, None):
            echo, mine = pace(m.get(("echo", size, 16))), pace(m.get((op, size, 16)))
            row(title + "%ss by 16 clients: echoes / %ss" % (op, op), num(mine, "/s"), num(echo, "/s"), per(echo, mine), bar, goal)
    MEMO["ring"] = m


def case_ring_others():
    """What others take for the same; beside the ring's row, since what they promise differs (docs/bench.md)."""
    ring = MEMO.get("ring") or ring_load("ring.py", "--eddy", EDDY)[0]
    for name, title in ("ring_redis.py", "Redis Cluster 3+3, TLS, synced, WAIT 1"), ("ring_opendht.py", "OpenDHT, 5 nodes, no rate limits"):
        m, about = ring_load(name)
        for size in 100, 65536:
            for op in "get", "put":
                for clients in 1, 16:
                    mine, other = ring.get((op, size, clients)), m.get((op, size, clients))
                    row("%s, %s of %s by %d: p50 of the ring / its" % (title, op, "100 B" if size == 100 else "64 KiB", clients),
                        outcome(mine, {}), outcome(other, about), per(took(mine), took(other)), None, None)


def case_lab():
    """Theory, simulation and real processes behind shaped links, side by side (docs/lab.md)."""
    peers, size, repeat = ("1,5", "8MB", 1) if a.quick else ("1,5,10,20,35", "64MB", 3)
    p = subprocess.run([EDDY, "lab", "--peers", peers, "--size", size, "--server", "8MB", "--up", "800kB", "--repeat", str(repeat),
                        "--json", "--progress", "none"], stdout=subprocess.PIPE, timeout=7200)
    doc = json.loads(p.stdout) if p.returncode == 0 else {"rows": []}
    OUT["runs"].append({"script": "lab", "args": [peers, size, repeat], "rows": [doc]})
    for r in doc["rows"]:
        p2p = r["arch"] == "p2p"
        title = "lab, %s, %d peers" % ("P2P" if p2p else "client-server", r["peers"])
        row(title + ": measured / bound", num(r["measured_s"], " s"), "bound " + num(r["bound_s"], " s"), round(r["ratio"], 3),
            1.15 if p2p else 1.05, 1.05)
        off = abs(r["sim_s"] - r["measured_s"]) / r["measured_s"]
        row(title + ": |simulated - measured| / measured", num(r["sim_s"], " s"), "-", round(off, 3), 0.10, 0.05)
    if not doc["rows"]:
        row("lab", None, "-", None, 1.15, 1.05)


CASES = {k[5:].replace("_", "-"): f for k, f in list(globals().items()) if k.startswith("case_")}


def table():
    lines = ["| case | eddy | other | ratio | bar | goal | |", "|---|---|---|---|---|---|---|"]
    for r in ROWS:
        lines.append("| %s | %s | %s | %s | %s | %s | %s |" % (r["case"], r["eddy"], r["other"], num(r["ratio"]), num(r["bar"]), num(r["goal"]), r["verdict"]))
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo") as f:
        models = [l.split(":", 1)[1].strip() for l in f if l.startswith("model name")]
    with open("/proc/meminfo") as f:
        kb = int(f.readline().split()[1])
    rev = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return {"cores": os.cpu_count(), "cpu": models[0] if models else platform.machine(), "memory_gib": round(kb / 2**20), "kernel": platform.release(),
            "go": subprocess.check_output(["go", "env", "GOVERSION"], cwd=ROOT, text=True).strip(), "commit": rev,
            "date": time.strftime("%Y-%m-%d")}


def pin():
    with open("/proc/meminfo") as f:
        free = next(int(l.split()[1]) for l in f if l.startswith("MemAvailable")) >> 20
    n = a.pin if a.pin is not None else min(1 if a.quick else 12, free // 2)
    if n <= 0:
        return None
    p = subprocess.Popen([sys.executable, os.path.join(HERE, "pin.py"), str(n)], stdout=subprocess.PIPE, text=True)
    if p.stdout.readline().strip() != "READY":
        raise SystemExit("pin.py ended without being ready")
    return p


RINGLOAD = os.path.join(HERE, "ringload", "ringload")


def build_one(name):
    subprocess.run(["go", "build", "-o", os.path.join(HERE, name, name), "./bench/" + name], cwd=ROOT, check=True)


def build():
    build_one("limit")
    build_one("ringload")
    if not a.eddy:
        subprocess.run(["go", "build", "-trimpath", "-o", EDDY, "./cmd/eddy"], cwd=ROOT, check=True)


def write_docs(name):
    with open(name) as f:
        text = f.read()
    before, _, rest = text.partition(MARKS[0])
    _, found, after = rest.partition(MARKS[1])
    if not found:
        raise SystemExit("%s has no marks for the table" % name)
    m = OUT["machine"]
    head = "%s, commit %s, %s: %d cores of %s, %d GiB, Linux %s.\n" % (m["date"], m["commit"], m["go"], m["cores"], m["cpu"], m["memory_gib"], m["kernel"])
    with open(name, "w") as f:
        f.write(before + MARKS[0] + "\n" + head + "\n" + table() + "\n" + MARKS[1] + after)


if a.list:
    print("\n".join(CASES))
    raise SystemExit
unknown = [c for c in a.case if c not in CASES]
if unknown:
    ap.error("no such case: %s (there are %s)" % (", ".join(unknown), ", ".join(CASES)))
if os.geteuid() != 0:
    raise SystemExit("the measurements need root: each runs in a network namespace of its own")
OUT = {"machine": machine(), "quick": a.quick, "runs": []}
build()
warm = pin()
try:
    for name in a.case or CASES:
        say("case", name)
        CASES[name]()
finally:
    if warm:
        warm.terminate()
    os.makedirs(os.path.join(HERE, "out"), exist_ok=True)
    OUT["table"] = ROWS
    with open(os.path.join(HERE, "out", time.strftime("%Y%m%d-%H%M%S.json")), "w") as f:
        json.dump(OUT, f, indent=1)
print(table())
if a.docs:
    write_docs(a.docs)
raise SystemExit(1 if any(r["verdict"] == "failed" for r in ROWS) else 0)
