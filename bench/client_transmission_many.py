#!/usr/bin/python3
"""transmission-daemon on a directory of torrents, for the idle measurement and the tests:
starts the daemon, adds each .torrent over its RPC, then waits for it. What {dir} holds already
is verified and seeded; the rest is downloaded into it."""
import argparse, json, os, signal, subprocess, time, urllib.error, urllib.request

ap = argparse.ArgumentParser()
ap.add_argument("--many", required=True)
ap.add_argument("--dir", required=True)
ap.add_argument("--state", required=True)
ap.add_argument("--ip", default="127.0.0.1")
ap.add_argument("--port", type=int, default=51413)
ap.add_argument("--crypt", default="default")
ap.add_argument("--done", help="a file to create when a download is complete")
a = ap.parse_args()
s = {"bind-address-ipv4": a.ip, "bind-address-ipv6": "::1", "peer-port": a.port, "dht-enabled": False,
     "lpd-enabled": False, "port-forwarding-enabled": False, "rpc-enabled": True, "rpc-bind-address": a.ip,
     "rpc-port": a.port + 1, "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False,
     "download-dir": a.dir, "incomplete-dir-enabled": False, "seed-queue-enabled": False,
     "download-queue-enabled": False}
if a.crypt == "off":
    s.update({"encryption": 0, "utp-enabled": False})
if a.done:
    sh = os.path.join(a.state, "done.sh")
    with open(sh, "w") as f:
        f.write("#!/bin/sh\n: >'%s'\n" % a.done)
    os.chmod(sh, 0o755)
    s.update({"script-torrent-done-enabled": True, "script-torrent-done-filename": sh})
with open(os.path.join(a.state, "settings.json"), "w") as f:
    json.dump(s, f)
d = subprocess.Popen(["transmission-daemon", "-f", "-g", a.state])
signal.signal(signal.SIGTERM, lambda *_: d.terminate())
url, sid = "http://%s:%d/transmission/rpc" % (a.ip, a.port + 1), ""


def rpc(method, args):
    global sid
    while True:
        r = urllib.request.Request(url, json.dumps({"method": method, "arguments": args}).encode(),
                                   {"X-Transmission-Session-Id": sid})
        try:
            with urllib.request.urlopen(r) as f:
                return json.load(f)
        except urllib.error.HTTPError as e:
            if e.code != 409:
                raise
            sid = e.headers["X-Transmission-Session-Id"]
        except urllib.error.URLError:
            time.sleep(0.1)


for n in sorted(os.listdir(a.many)):
    r = rpc("torrent-add", {"filename": os.path.join(a.many, n)})
    if r["result"] != "success":
        print(n, r, flush=True)
print("added", flush=True)
d.wait()
