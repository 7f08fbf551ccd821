#!/usr/bin/python3
"""Draws scaling.svg: time to distribute one file over the number of receivers, the two bounds as
lines and measured clients as points. The points come from scaling.tsv.

  scaling.py                              draw
  scaling.py --dark FILE.svg              draw the dark colours alone, to look at them
  scaling.py --measure eddy --runs 3      measure again with bench/swarm.py (root), then draw

Setting: the course's figure in seconds. A receiver needs F/u = 60 s to upload one copy, the server is
ten times as fast, downloads are not limited: F = 30 MiB, u = 512 KiB/s, us = 5 MiB/s.
"""
import argparse, json, os, statistics, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TSV, SVG = os.path.join(HERE, "scaling.tsv"), os.path.join(HERE, "scaling.svg")
SIZE, UP, SERVER = 30 << 20, 512 << 10, 5 << 20
PEERS = [1, 5, 10, 15, 20, 25, 30, 35]
EDDY = os.path.join(ROOT, "bin", "eddy")
COMMON = " --listen {ip}:{port} --limit-up {up} --state {state} -q"


def client_server(n):
    return n * SIZE / SERVER


def p2p(n):
    return max(SIZE / SERVER, n * SIZE / (SERVER + n * UP))


def measure(client, runs, peers, eddy):
    how = ["--client", client]
    if client == "eddy":
        how = ["--client", "cmd", "--name", "eddy",
               "--seed-cmd", eddy + " seed {torrent} {dir}" + COMMON,
               "--leech-cmd", eddy + " get {torrent} -d {dir}" + COMMON + " --seed --on-complete 'touch {done}'"]
    rows = []
    for n in peers:
        argv = [os.path.join(ROOT, "bench", "swarm.py"), *how, "--leechers", str(n), "--size", str(SIZE), "--piece", "256K",
                "--seed-up", str(SERVER), "--leech-up", str(UP), "--runs", str(runs)]
        out = subprocess.run([sys.executable, *argv], stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in out.splitlines():
            r = json.loads(line)
            if r["what"] == "swarm" and r["ok"]:
                if r["upload_over_cap"] <= 1.01:  # else it won by sending more than the setting allows
                    rows.append((client, n, r["wall"]))
                print(client, n, "%.1f s" % r["wall"], "ratio %.3f" % (r["wall"] / p2p(n)),
                      "upload over cap %.3f" % r["upload_over_cap"], file=sys.stderr, flush=True)
    return rows


def read():
    rows = []
    if os.path.exists(TSV):
        for line in open(TSV):
            if line.strip() and not line.startswith("#"):
                c, n, wall = line.split()
                rows.append((c, int(n), float(wall)))
    return rows


def write(rows):
    with open(TSV, "w") as f:
        f.write("# client, receivers, seconds from their start until the last had verified everything; a line a run.\n")
        f.write("# Measured with scaling.py --measure, on one machine with 2 cores.\n")
        for c, n, wall in sorted(rows):
            f.write("%s\t%d\t%.2f\n" % (c, n, wall))


# Colours by role: light, dark. Each is readable on its own panel, and the roles differ in shape too.
COLOURS = {
    "panel": ("#ffffff", "#0d1117"), "edge": ("#d0d7de", "#30363d"), "ink": ("#1f2328", "#e6edf3"),
    "soft": ("#59636e", "#9198a1"), "grid": ("#e6e9ed", "#21262d"), "cs": ("#b35900", "#f0a35e"),
    "bound": ("#0969da", "#58a6ff"), "eddy": ("#0969da", "#58a6ff"), "aria2": ("#8250df", "#bc8cff"),
    "libtorrent": ("#1a7f37", "#56d364"),
}
W, H = 800, 440
LEFT, RIGHT, TOP, BOTTOM = 62, 212, 62, 56
NMAX, TMAX = 36, 220


def x(n):
    return LEFT + n / NMAX * (W - LEFT - RIGHT)


def y(t):
    return H - BOTTOM - t / TMAX * (H - TOP - BOTTOM)


def style(dark_only):
    def css(k):
        rules = []
        for role, c in COLOURS.items():
            rules.append(".f-%s{fill:%s}.s-%s{stroke:%s}" % (role, c[k], role, c[k]))
        return "".join(rules)
    if dark_only:
        return css(1)
    return css(0) + "@media(prefers-color-scheme:dark){" + css(1) + "}"


def text(px, py, s, role="ink", size=13, anchor="start", weight=400):
    return '<text class="f-%s" x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" font-weight="%d">%s</text>' % (
        role, px, py, size, anchor, weight, s)


def path(points, role, width, dash=""):
    d = "M" + "L".join("%.1f %.1f" % p for p in points)
    return '<path class="s-%s" d="%s" fill="none" stroke-width="%s" stroke-linejoin="round" stroke-linecap="round"%s/>' % (
        role, d, width, ' stroke-dasharray="%s"' % dash if dash else "")


def mark(client, px, py):
    if client == "eddy":
        return '<circle class="f-eddy s-panel" cx="%.1f" cy="%.1f" r="6" stroke-width="1.5"/>' % (px, py)
    if client == "aria2":
        return '<path class="f-aria2 s-panel" stroke-width="1" d="M%.1f %.1fl5.5 9.5h-11z"/>' % (px, py - 6)
    return '<rect class="f-%s s-panel" stroke-width="1" x="%.1f" y="%.1f" width="9" height="9"/>' % (client, px - 4.5, py - 4.5)


def apart(labels, gap=17):
    """Moves labels (y, ...) apart so that none covers another."""
    labels = sorted(labels)
    for _ in range(50):
        for a, b in zip(range(len(labels)), range(1, len(labels))):
            d = gap - (labels[b][0] - labels[a][0])
            if d > 0:
                labels[a] = (labels[a][0] - d / 2,) + labels[a][1:]
                labels[b] = (labels[b][0] + d / 2,) + labels[b][1:]
    return labels


def draw(rows, dark_only=False):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" '
           'aria-label="Time to distribute a file over the number of receivers" '
           'font-family="Helvetica Neue,Helvetica,Arial,DejaVu Sans,sans-serif">' % (W, H, W, H),
           "<style>%s</style>" % style(dark_only),
           '<rect class="f-panel s-edge" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>' % (W - 1, H - 1),
           text(20, 28, "One file to N machines: how long until the last one has it", size=16, weight=600),
           text(20, 47, "A receiver needs 60 s to upload one copy, the server 6 s; downloads are not limited. Points are measured.", "soft", 12)]
    for t in range(0, TMAX, 60):
        out.append(path([(x(0), y(t)), (x(NMAX), y(t))], "grid", 1))
        out.append(text(x(0) - 9, y(t) + 4, "%d s" % t, "soft", 12, "end"))
    for n in range(0, NMAX + 1, 5):
        out.append(text(x(n), y(0) + 20, str(n), "soft", 12, "middle"))
    out.append(text(x(NMAX / 2), H - 14, "receivers, N", "soft", 12, "middle"))
    xs = [k / 4 for k in range(4, 35 * 4 + 1)]
    out.append(path([(x(n), y(client_server(n))) for n in xs], "cs", 2.5))
    out.append(path([(x(n), y(p2p(n))) for n in xs], "bound", 2.5, "1 6"))
    labels = [(y(client_server(35)), "server alone, at best", "cs", "%.0f s" % client_server(35))]
    labels.append((y(p2p(35)), "swarm, at best", "bound", "%.0f s" % p2p(35)))
    for client in ("libtorrent", "aria2", "eddy"):
        points = [(n, statistics.median(w for c, m, w in rows if c == client and m == n)) for n in PEERS
                  if any(c == client and m == n for c, m, _ in rows)]
        if not points:
            continue
        if client != "eddy":
            out.append(path([(x(n), y(t)) for n, t in points], client, 1.2))
        out += [mark(client, x(n), y(t)) for n, t in points]
        n, t = points[-1]
        labels.append((y(t), "%s, measured" % client, client, "%.0f s" % t))
    for py, name, role, value in apart(labels):
        weight = 700 if name.startswith("eddy") else 400
        out.append(text(x(NMAX) + 38, py + 4, value, role, 13, "end", weight))
        out.append(text(x(NMAX) + 46, py + 4, name, role, 13, "start", weight))
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--measure", metavar="CLIENT", help="eddy, aria2, libtorrent or transmission")
    ap.add_argument("--runs", type=int, default=1)
    ap.add_argument("--peers", type=int, action="append", help="only this many receivers; repeatable")
    ap.add_argument("--eddy", default=EDDY)
    ap.add_argument("--add", action="store_true", help="keep the earlier runs of that client")
    ap.add_argument("--dark", metavar="FILE")
    a = ap.parse_args()
    rows = read()
    if a.measure:
        new = measure(a.measure, a.runs, a.peers or PEERS, os.path.abspath(a.eddy))
        seen = {(c, n) for c, n, _ in new}
        rows = [r for r in read() if a.add or r[:2] not in seen] + new
        write(rows)
    with open(SVG, "w") as f:
        f.write(draw(rows))
    if a.dark:
        with open(a.dark, "w") as f:
            f.write(draw(rows, True))


if __name__ == "__main__":
    main()
