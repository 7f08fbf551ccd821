"""Shared machinery for the peer measurements: bencode, torrent creation, a tiny
in-process HTTP tracker, and a process runner that accounts CPU and memory per
process tree from /proc.

Everything runs in a network namespace made for the run (needs root), over its loopback
device. Every peer gets an IP of its own in 10.77.0.0/16: transmission keys peers by
address alone and refuses peers in 127.0.0.0/8. The tracker maps the announced port back
to that IP, so a client that cannot bind its tracker socket still gets listed under its
own address.
"""
import hashlib, http.server, json, os, shlex, shutil, signal, socketserver, statistics
import subprocess, sys, tempfile, threading, time, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
PYTHON = os.environ.get("PEERS_PYTHON", "/usr/bin/python3")  # the one with libtorrent


def own_netns():
    """Re-execute in a fresh network namespace whose loopback holds 10.77.0.0/16."""
    if os.environ.get("PEERS_NETNS") != "1":
        os.environ["PEERS_NETNS"] = "1"
        os.execvp("unshare", ["unshare", "-n", "--", sys.executable] + sys.argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the peers are ended too
    subprocess.run("ip link set lo up && ip addr add 10.77.0.1/16 dev lo", shell=True, check=True)


# ---------------------------------------------------------------- bencode
def bencode(x):
    if isinstance(x, int):
        return b"i%de" % x
    if isinstance(x, str):
        x = x.encode()
    if isinstance(x, bytes):
        return b"%d:%s" % (len(x), x)
    if isinstance(x, list):
        return b"l" + b"".join(bencode(i) for i in x) + b"e"
    if isinstance(x, dict):
        items = sorted((k.encode() if isinstance(k, str) else k, v) for k, v in x.items())
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in items) + b"e"
    raise TypeError(type(x))


def make_torrent(path, out, announce, piece):
    """Write a v1 .torrent for the single file at path."""
    pieces, size = [], 0
    with open(path, "rb") as f:
        while True:
            b = f.read(piece)
            if not b:
                break
            size += len(b)
            pieces.append(hashlib.sha1(b).digest())
    info = {"length": size, "name": os.path.basename(path), "piece length": piece,
            "pieces": b"".join(pieces)}
    with open(out, "wb") as f:
        f.write(bencode({"announce": announce, "info": info}))
    return hashlib.sha1(bencode(info)).hexdigest()


def make_data(path, size, seed=1):
    """A file of pseudo-random bytes, made once and kept."""
    if os.path.exists(path) and os.path.getsize(path) == size:
        return
    with open(path, "wb") as f:
        left = size
        while left:
            n = min(left, 1 << 20)
            f.write(os.urandom(n))
            left -= n


def same(a, b):
    """Compare two files byte for byte."""
    return subprocess.run(["cmp", "-s", a, b]).returncode == 0


# ---------------------------------------------------------------- tracker
class Tracker:
    """A minimal HTTP tracker (compact and dictionary answers)."""

    def __init__(self, interval=5):
        self.peers, self.seeded, self.port_ip, self.announces = {}, set(), {}, 0
        self.seeded_hashes = set()
        self.lock = threading.Lock()
        outer = self

        class H(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def do_GET(self):
                u = urllib.parse.urlsplit(self.path)
                q = {}
                for kv in u.query.split("&"):
                    k, _, v = kv.partition("=")
                    q[k] = urllib.parse.unquote_to_bytes(v)
                if "info_hash" not in q or "port" not in q:
                    self.send_error(400)
                    return
                port = int(q["port"])
                ih = q["info_hash"]
                with outer.lock:
                    outer.announces += 1
                    ip = outer.port_ip.get(port, self.client_address[0])
                    sw = outer.peers.setdefault(ih, {})
                    if q.get("event") == b"stopped":
                        sw.pop((ip, port), None)
                    else:
                        sw[(ip, port)] = q.get("peer_id", b"")
                        if q.get("left") == b"0":
                            outer.seeded.add(port)
                            outer.seeded_hashes.add(ih)
                    want = int(q.get("numwant", b"50") or 50)
                    if want < 0:
                        want = 50
                    others = [(p, i) for p, i in sw.items() if p != (ip, port)][:want]
                if q.get("compact", b"1") == b"0":
                    pl = [{"ip": p[0], "port": p[1], "peer id": i} for p, i in others]
                else:
                    pl = b"".join(bytes(map(int, p[0].split("."))) + p[1].to_bytes(2, "big")
                                  for p, _ in others)
                body = bencode({"interval": interval, "min interval": interval, "peers": pl,
                                "complete": 1, "incomplete": len(others)})
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class S(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.srv = S(("127.0.0.1", 0), H)
        self.url = "http://127.0.0.1:%d/announce" % self.srv.server_address[1]
        threading.Thread(target=self.srv.serve_forever, daemon=True).start()

    def close(self):
        self.srv.shutdown()
        self.srv.server_close()


# ---------------------------------------------------------------- processes
def _stat(pid):
    with open("/proc/%d/stat" % pid) as f:
        s = f.read()
    f = s[s.rindex(")") + 2:].split()
    return int(f[1]), int(f[11]) / TICK, int(f[12]) / TICK, int(f[13]) / TICK, int(f[14]) / TICK


def tree(pid):
    """pid and its live descendants."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            for t in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/children" % (p, t)) as f:
                    todo += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return out


class Proc:
    """One peer. CPU is user+system of the tree; memory is the sum over the tree."""

    def __init__(self, cmd, log, cwd=None):
        self.log = open(log, "wb")
        self.p = subprocess.Popen(cmd if isinstance(cmd, list) else ["/bin/sh", "-c", "exec " + cmd],
                                  stdout=self.log, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, start_new_session=True, cwd=cwd)
        self.pid, self.rss, self.anon, self.exit, self.usage = self.p.pid, 0, 0, None, None

    def cpu(self):
        if self.usage:
            return self.usage
        u = s = 0.0
        for p in tree(self.pid):
            try:
                _, a, b, c, d = _stat(p)
                u, s = u + a + c, s + b + d
            except (OSError, ValueError):
                pass
        return u, s

    def sample(self):
        """Remember the peaks (kB): resident in all, and the anonymous part of it."""
        rss = anon = 0
        for p in tree(self.pid):
            try:
                with open("/proc/%d/status" % p) as f:
                    for line in f:
                        if line.startswith("VmHWM:"):
                            rss += int(line.split()[1])
                        elif line.startswith("RssAnon:"):
                            anon += int(line.split()[1])
            except OSError:
                pass
        self.rss, self.anon = max(self.rss, rss), max(self.anon, anon)

    def poll(self):
        if self.exit is None:
            pid, st, ru = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.exit = os.waitstatus_to_exitcode(st)
                self.p.returncode = self.exit
                self.usage = (ru.ru_utime, ru.ru_stime)
                # ru_maxrss is of no use here: it counts the forked interpreter before the exec
        return self.exit

    def stop(self, grace=8):
        if self.poll() is None:
            try:
                os.killpg(self.pid, signal.SIGTERM)
            except OSError:
                pass
            end = time.time() + grace
            while self.poll() is None and time.time() < end:
                time.sleep(0.02)
            if self.exit is None:
                os.killpg(self.pid, signal.SIGKILL)
                while self.poll() is None:
                    time.sleep(0.02)
        self.log.close()


# ---------------------------------------------------------------- clients
# A client is two shell command templates. Contract:
#   seed:  serves {torrent} from the directory {dir} (holds the complete file) until SIGTERM
#   leech: downloads {torrent} into {dir}; when all is there and verified it either exits 0
#          or creates the file {done}; in a swarm it must stay and seed until SIGTERM
# Fields: torrent, dir, ip, port, state (an empty directory for the client's own files),
#   done, up (upload cap in bytes/s, 0 = none), down, stay (1 in a swarm), crypt, here, python
_lt = "{python} {here}/client_libtorrent.py --torrent {torrent} --dir {dir} --ip {ip} --port {port} --up {up} --down {down} --crypt {crypt}"
_tr = "{python} {here}/client_transmission.py --torrent {torrent} --dir {dir} --ip {ip} --port {port} --up {up} --down {down} --state {state} --crypt {crypt}"
_ar = "{python} {here}/client_aria2.py --torrent {torrent} --dir {dir} --ip {ip} --port {port} --up {up} --down {down} --state {state} --stay {stay} --crypt {crypt}"
CLIENTS = {
    "libtorrent": (_lt + " --seed", _lt + " --done {done}"),
    "transmission": (_tr + " --seed", _tr + " --done {done}"),
    "aria2": (_ar + " --seed", _ar + " --done {done}"),
}


def add_client_args(ap):
    ap.add_argument("--client", default="libtorrent", help="%s, cmd, or SEEDER:LEECHER" % ", ".join(CLIENTS))
    ap.add_argument("--seed-cmd", help="template for --client cmd")
    ap.add_argument("--leech-cmd", help="template for --client cmd")
    ap.add_argument("--name", help="the name printed for --client cmd")
    ap.add_argument("--crypt", default="off", choices=["off", "default"],
                    help="off: plaintext over TCP only; default: the client's own defaults")
    ap.add_argument("--work", help="directory for data and downloads (default: a fresh one in /dev/shm)")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--timeout", type=float, default=300)
    ap.add_argument("--keep-logs", help="copy each peer's output into this directory")


def templates(a):
    if a.seed_cmd or a.leech_cmd:
        CLIENTS["cmd"] = (a.seed_cmd, a.leech_cmd)
    s, _, l = a.client.partition(":")
    return CLIENTS[s][0], CLIENTS[l or s][1]


def peer_ip(i):
    """The address of peer i of a run; the seeder is peer 0."""
    return "10.77.%d.%d" % (1 + i // 250, 1 + i % 250)


class Swarm:
    """One seeder and n leechers, run once."""

    def __init__(self, a, work, torrent_maker, n, seed_up=0, leech_up=0, stay=True, stagger=0.0,
                 base_port=20000):
        self.a, self.work, self.n = a, work, n
        self.seed_up, self.leech_up, self.stay, self.stagger = seed_up, leech_up, stay, stagger
        self.base, self.maker = base_port, torrent_maker

    def fields(self, i, dir_, up):
        d = os.path.join(self.run, "peer%d" % i)
        state = os.path.join(d, "state")
        os.makedirs(state)
        return {"torrent": self.torrent, "dir": dir_, "ip": peer_ip(i),
                "port": self.base + i, "state": state, "done": os.path.join(d, "done"), "up": up,
                "down": 0, "stay": int(self.stay), "crypt": self.a.crypt, "here": shlex.quote(HERE),
                "python": PYTHON}

    def go(self, data):
        self.run = tempfile.mkdtemp(prefix="run", dir=self.work)
        tracker = Tracker()
        procs = []
        try:
            self.torrent = os.path.join(self.run, "t.torrent")
            self.maker(data, self.torrent, tracker.url)
            st, lt_ = templates(self.a)
            f = self.fields(0, os.path.dirname(data), self.seed_up)
            tracker.port_ip[f["port"]] = f["ip"]
            seeder = Proc(st.format(**f), os.path.join(self.run, "seed.log"))
            procs.append(seeder)
            end = time.time() + self.a.timeout
            while f["port"] not in tracker.seeded:  # it has announced left=0
                if time.time() > end or seeder.poll() is not None:
                    raise RuntimeError("the seeder never announced itself complete: " + self.tail("seed.log"))
                time.sleep(0.05)
            time.sleep(1.0)
            c0 = seeder.cpu()
            leech, fin = [], {}
            for i in range(1, self.n + 1):
                d = os.path.join(self.run, "dl%d" % i)
                os.mkdir(d)
                lf = self.fields(i, d, self.leech_up[i - 1] if isinstance(self.leech_up, list) else self.leech_up)
                tracker.port_ip[lf["port"]] = lf["ip"]
                leech.append((lf, d))
            t0 = time.monotonic()
            ls = []
            for i, (lf, d) in enumerate(leech):
                ls.append(Proc(lt_.format(**lf), os.path.join(self.run, "leech%d.log" % (i + 1))))
                procs.append(ls[-1])
                if self.stagger:
                    time.sleep(self.stagger)
            lcpu, next_sample = {}, 0
            while len(fin) < self.n:
                now = time.monotonic()
                for i, p in enumerate(ls):
                    if i in fin:
                        continue
                    dn = os.path.exists(leech[i][0]["done"])
                    ex = p.poll()
                    if dn or ex == 0:
                        fin[i] = time.monotonic() - t0
                        if self.n == 1:
                            lcpu[i] = p.cpu()
                            c1 = seeder.cpu()
                            p.sample()
                    elif ex is not None:
                        raise RuntimeError("leecher %d exited %d: %s" % (i + 1, ex, self.tail("leech%d.log" % (i + 1))))
                if now > next_sample:
                    for p in procs:
                        p.sample()
                    next_sample = now + (0.25 if self.n < 4 else 1.0)
                if now - t0 > self.a.timeout:
                    raise RuntimeError("timeout: %d of %d complete" % (len(fin), self.n))
                time.sleep(0.005 if self.n == 1 else 0.02)
            if self.n > 1:
                c1 = seeder.cpu()
                lcpu = {i: p.cpu() for i, p in enumerate(ls)}
            for p in procs:
                p.sample()
            for p in procs[1:]:
                p.stop()
            ok = all(same(data, os.path.join(d, os.path.basename(data))) for _, d in leech)
            times = sorted(fin.values())
            return {"ok": ok, "times": [round(t, 3) for t in times], "wall": round(times[-1], 3),
                    "median": round(statistics.median(times), 3), "first": round(times[0], 3),
                    "seed_user": round(c1[0] - c0[0], 3), "seed_sys": round(c1[1] - c0[1], 3),
                    "leech_user": round(sum(c[0] for c in lcpu.values()), 3),
                    "leech_sys": round(sum(c[1] for c in lcpu.values()), 3),
                    "seed_rss_mb": round(seeder.rss / 1024, 1), "seed_anon_mb": round(seeder.anon / 1024, 1),
                    "leech_rss_mb": round(max(p.rss for p in ls) / 1024, 1),
                    "leech_anon_mb": round(max(p.anon for p in ls) / 1024, 1),
                    "announces": tracker.announces}
        finally:
            for p in procs:
                p.stop()
            tracker.close()
            if self.a.keep_logs:
                os.makedirs(self.a.keep_logs, exist_ok=True)
                for n in os.listdir(self.run):
                    if n.endswith(".log"):
                        shutil.copy(os.path.join(self.run, n), self.a.keep_logs)
            shutil.rmtree(self.run, ignore_errors=True)

    def tail(self, n):
        with open(os.path.join(self.run, n), "rb") as f:
            return f.read()[-800:].decode("utf-8", "replace")


def med(rows, key):
    return statistics.median(r[key] for r in rows)


def parse_size(s):
    m = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    s = s.strip().lower().rstrip("ib")
    return int(float(s[:-1]) * m[s[-1]]) if s[-1] in m else int(s)


def cached_torrent_maker(work, piece):
    """Hashes the data once; later torrents only get another announce URL."""
    cache = {}

    def f(data, out, announce):
        key = (data, os.path.getmtime(data), piece)
        if key not in cache:
            tmp = os.path.join(work, "hash.torrent")
            make_torrent(data, tmp, "X", piece)
            with open(tmp, "rb") as g:
                cache[key] = g.read()
            os.unlink(tmp)
        with open(out, "wb") as g:
            g.write(cache[key].replace(b"8:announce1:X", b"8:announce" + bencode(announce), 1))
    return f
