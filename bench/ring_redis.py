#!/usr/bin/python3
"""A Redis Cluster of three masters and three replicas (Debian's redis-server) under the load of ringload: TLS everywhere, each write
synced to the master's log (appendfsync always) and received by one replica (WAIT 1) before it counts. A read asks the master alone.

  ring_redis.py --load ringload/ringload
"""
import argparse, json, os, shutil, subprocess, tempfile, time
from harness import *
from ringmedian import *

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--load", required=True, help="ringload as built")
add_load_args(ap)
a = ap.parse_args()
if not shutil.which("redis-server"):
    print(json.dumps({"what": "redis", "note": "redis-server is not installed"}))
    raise SystemExit
own_netns()
work = tempfile.mkdtemp(prefix="redis", dir=a.dir)
procs = []
tls = ["--tls", "--cert", work + "/cert.pem", "--key", work + "/key.pem", "--cacert", work + "/cert.pem"]
ports = [7301 + i for i in range(6)]


def cli(port, *args):
    return subprocess.run(["redis-cli", *tls, "-p", str(port), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def until(done, what):
    end = time.monotonic() + a.timeout
    while not done():
        if time.monotonic() > end:
            raise SystemExit(what)
        time.sleep(0.2)


try:
    subprocess.run([a.load, "certificates", "-dir", work], check=True)
    for port in ports:
        d = os.path.join(work, str(port))
        os.mkdir(d)
        procs.append(Proc(["redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--dir", d, "--cluster-enabled", "yes",
                           "--tls-cert-file", work + "/cert.pem", "--tls-key-file", work + "/key.pem", "--tls-ca-cert-file", work + "/cert.pem",
                           "--tls-cluster", "yes", "--tls-replication", "yes", "--tls-protocols", "TLSv1.3", "--cluster-node-timeout", "15000",
                           "--appendonly", "yes", "--appendfsync", "always", "--save", ""], os.path.join(work, "%d.log" % port)))
    until(lambda: all("PONG" in cli(p, "ping") for p in ports), "the servers do not answer")
    made = cli(ports[0], "--cluster", "create", *("127.0.0.1:%d" % p for p in ports), "--cluster-replicas", "1", "--cluster-yes")
    # WAIT would wait for ever for a replica that is not connected yet.
    until(lambda: all("cluster_state:ok" in cli(p, "cluster", "info") for p in ports)
          and sum("role:master" in i and "connected_slaves:1" in i and "state=online" in i for i in (cli(p, "info", "replication") for p in ports)) == 3,
          "the cluster does not form: " + made[-800:])
    rows = load(a, ["redis", "-nodes", "127.0.0.1:%d" % ports[0], "-certificates", work])
    version = subprocess.check_output(["redis-server", "--version"], text=True).split()[2]
    report("redis", rows, version=version, file_system=file_system(work))
finally:
    for p in procs:
        p.stop()
    shutil.rmtree(work, ignore_errors=True)
