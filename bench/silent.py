#!/usr/bin/python3
"""Thousands of connections to a seeder that never send a handshake byte: what they cost it in
memory, and how long an honest peer from one of their addresses waits for its handshake.

  silent.py --name eddy --seed-cmd 'bin/eddy seed {torrent} {dir} --listen {ip}:{port} --state {state} -q'
  silent.py --client libtorrent --addresses 2000
"""
import argparse, errno, json, os, resource, selectors, shutil, socket, tempfile, time
from harness import *

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
add_client_args(ap)
ap.add_argument("--connections", type=int, default=10000)
ap.add_argument("--addresses", type=int, default=1, help="addresses that the connections come from")
ap.add_argument("--probes", type=int, default=5, help="honest peers, one after the other")
a = ap.parse_args()
own_netns()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, a.connections + 4096)), hard))


def address(i):
    return "10.77.%d.%d" % (100 + i // 250, 1 + i % 250)


def memory(pid, field):
    """kB of the process tree."""
    n = 0
    for p in tree(pid):
        with open("/proc/%d/status" % p) as f:
            n += sum(int(l.split()[1]) for l in f if l.startswith(field + ":"))
    return n


def flood(target, n, addresses, within=30):
    """Opens n silent connections; returns the sockets that got through within the time."""
    sel, held, waiting, next_, end = selectors.DefaultSelector(), [], 0, 0, time.monotonic() + within
    while (next_ < n or waiting) and time.monotonic() < end:
        while next_ < n and waiting < 256:  # the listen backlog is finite
            s = socket.socket()
            s.setblocking(False)
            s.bind((address(next_ % addresses), 0))
            if s.connect_ex(target) not in (0, errno.EINPROGRESS):
                raise OSError("connect")
            sel.register(s, selectors.EVENT_WRITE)
            next_, waiting = next_ + 1, waiting + 1
        for key, _ in sel.select(0.1):
            sel.unregister(key.fileobj)
            waiting -= 1
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                held.append(key.fileobj)
            else:
                key.fileobj.close()
    return held


def handshake(source, target, infohash, n):
    """Seconds from connecting to the whole handshake of the other side, or None."""
    t0 = time.monotonic()
    with socket.socket() as s:
        s.settimeout(10)
        s.bind((source, 0))
        try:
            s.connect(target)
            s.sendall(b"\x13BitTorrent protocol" + bytes(8) + infohash + b"-XX0001-%012d" % n)
            got = b""
            while len(got) < 68:
                b = s.recv(68 - len(got))
                if not b:
                    return None
                got += b
        except OSError:
            return None
        return time.monotonic() - t0 if got[28:48] == infohash else None


work = tempfile.mkdtemp(prefix="silent", dir="/dev/shm")
p = None
try:
    tracker = Tracker()
    for d in ("dir", "state"):
        os.mkdir(os.path.join(work, d))
    data, torrent = os.path.join(work, "dir", "data.bin"), os.path.join(work, "t.torrent")
    make_data(data, 4 << 20)
    infohash = bytes.fromhex(make_torrent(data, torrent, tracker.url, 256 << 10))
    ip, port = peer_ip(0), 20000
    tracker.port_ip[port] = ip
    seed, _ = templates(a)
    p = Proc(seed.format(torrent=torrent, dir=os.path.dirname(data), ip=ip, port=port, up=0, down=0, stay=1, crypt=a.crypt,
                         state=os.path.join(work, "state"), done=os.path.join(work, "done"), here=HERE, python=PYTHON),
             os.path.join(work, "log"))
    end = time.time() + a.timeout
    while port not in tracker.seeded:
        if time.time() > end or p.poll() is not None:
            raise SystemExit("the seeder never announced itself complete: " + open(os.path.join(work, "log")).read()[-800:])
        time.sleep(0.05)
    time.sleep(1)
    alone = handshake(address(0), (ip, port), infohash, 0)
    before = memory(p.pid, "VmRSS")
    for q in tree(p.pid):
        with open("/proc/%d/clear_refs" % q, "w") as f:
            f.write("5")  # forget the peak so far
    t0 = time.monotonic()
    held = flood((ip, port), a.connections, a.addresses)
    t1 = time.monotonic()
    waits = [handshake(address(i % a.addresses), (ip, port), infohash, 1 + i) for i in range(a.probes)]
    peak = memory(p.pid, "VmHWM")
    for s in held:
        s.close()
    answered = [w for w in waits if w is not None]
    print(json.dumps({"what": "silent", "client": a.name or a.client, "connections": len(held), "addresses": a.addresses,
                      "flood_s": round(t1 - t0, 2), "rss_before_mb": round(before / 1024, 1),
                      "rss_added_mb": round((peak - before) / 1024, 1), "handshake_alone_s": alone and round(alone, 4),
                      "answered": len(answered), "probes": a.probes,
                      "handshake_max_s": round(max(answered), 4) if len(answered) == len(waits) else None}), flush=True)
finally:
    if p:
        p.stop()
    shutil.rmtree(work, ignore_errors=True)
