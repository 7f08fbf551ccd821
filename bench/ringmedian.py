"""What the measurements of the ring and of its neighbours share: the arguments of a load, ringload itself, and medians of its lines."""
import json, os, statistics, subprocess, time

KEYS = "p50_us", "p99_us", "ops_s"


def add_load_args(ap):
    ap.add_argument("--dir", default="/var/tmp", help="where the data go: a disk, since syncs count")
    ap.add_argument("--sizes", default="100,65536")
    ap.add_argument("--clients", default="1,16")
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--for", dest="lasts", default="2s", help="of each measurement")
    ap.add_argument("--timeout", type=float, default=120, help="seconds for what is started to be ready")


def load(a, args):
    """Runs ringload; returns its lines, which it also prints."""
    argv = [a.load] + args + ["-sizes", a.sizes, "-clients", a.clients, "-runs", str(a.runs), "-for", a.lasts]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=3600)
    if p.returncode:
        raise SystemExit(p.stderr[-800:])
    print(p.stdout, end="", flush=True)
    return [json.loads(l) for l in p.stdout.splitlines()]


def report(name, rows, **more):
    """One line of medians a measurement, and one that says of what."""
    kinds = {}
    for r in rows:
        kinds.setdefault((r["what"], r.get("size"), r.get("clients")), []).append(r)
    for (what, size, clients), rs in kinds.items():
        good = [r for r in rs if r["count"]]
        line = {"what": name + "-median", "op": what, "size": size, "clients": clients, "runs": len(rs), "failed": sum(r["failed"] for r in rs),
                "error": next((r["error"] for r in rs if r.get("error")), None), "style": rs[0].get("style"),
                **{k: round(statistics.median(r[k] for r in good), 2) if len(good) == len(rs) else None for k in KEYS}}
        print(json.dumps(line), flush=True)
    print(json.dumps({"what": name, **more}), flush=True)


def await_line(proc, log, kind, timeout):
    """The first JSON line of a kind that a process prints."""
    end = time.monotonic() + timeout
    while True:
        with open(log) as f:
            for l in f:
                if l.startswith("{") and l.endswith("}\n"):
                    doc = json.loads(l)
                    if kind in (doc.get("type"), doc.get("what")):
                        return doc
        if time.monotonic() > end or proc.poll() is not None:
            with open(log) as f:
                raise SystemExit("it does not get ready: " + f.read()[-800:])
        time.sleep(0.05)


def file_system(path):
    """Its type and where it is mounted. Syncs on tmpfs cost nothing, so that is refused."""
    p = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", path], stdout=subprocess.PIPE, text=True)
    text = " on ".join(p.stdout.split())
    if text.startswith("tmpfs"):
        raise SystemExit("%s is on tmpfs, where syncs cost nothing: give --dir on a disk" % path)
    return text
