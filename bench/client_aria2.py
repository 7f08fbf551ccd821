#!/usr/bin/python3
"""An aria2 peer (Debian: aria2) for the measurements: becomes aria2c."""
import argparse, os

ap = argparse.ArgumentParser()
ap.add_argument("--torrent", required=True)
ap.add_argument("--dir", required=True)
ap.add_argument("--state", required=True)
ap.add_argument("--ip", default="127.0.0.1")
ap.add_argument("--port", type=int, default=6881)
ap.add_argument("--up", type=int, default=0)
ap.add_argument("--down", type=int, default=0)
ap.add_argument("--stay", type=int, default=0)
ap.add_argument("--crypt", default="off")
ap.add_argument("--seed", action="store_true")
ap.add_argument("--done")
ap.add_argument("--udp", action="store_true", help="speak UDP to trackers too: aria2 does that only with its DHT on")
a = ap.parse_args()
cmd = ["aria2c", "--no-conf", "--dir=" + a.dir, "--listen-port=%d" % a.port, "--interface=" + a.ip,
       "--enable-dht=" + ("true" if a.udp else "false"), "--bt-enable-lpd=false", "--enable-peer-exchange=false",
       "--max-upload-limit=%d" % a.up, "--max-overall-upload-limit=%d" % a.up,
       "--max-download-limit=%d" % a.down, "--file-allocation=none", "--summary-interval=0",
       "--console-log-level=warn", "--show-console-readout=false", "--seed-ratio=0.0", "--follow-torrent=mem",
       "--bt-request-peer-speed-limit=0", "--bt-tracker-interval=5", "--enable-color=false"]
if a.udp:
    cmd += ["--dht-listen-port=%d" % a.port, "--dht-file-path=" + os.path.join(a.state, "dht.dat")]
# aria2's default prefers plaintext in both directions
if a.seed:
    cmd += ["--check-integrity=true", "--bt-hash-check-seed=true", "--allow-overwrite=true"]
elif a.done:
    sh = os.path.join(a.state, "done.sh")
    with open(sh, "w") as f:
        f.write("#!/bin/sh\n: >'%s'\n" % a.done)
    os.chmod(sh, 0o755)
    cmd += ["--on-bt-download-complete=" + sh]
os.execvp(cmd[0], cmd + [a.torrent])
