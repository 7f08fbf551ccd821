"""How much each peer really sent, from the kernel's counters of its TCP connections: what a
client says about its own limit proves nothing.

Counts all bytes of the peers' connections among 10.77.0.0/16, not payload alone, so it is a
little stricter (by about 0.3 %) than a limit on payload.
"""
import re, subprocess, threading, time

from harness import peer_ip

LINE = re.compile(r"(10\.77\.\d+\.\d+):(\d+)\s+(10\.77\.\d+\.\d+):(\d+)\s.*?bytes_acked:(\d+)")


class Uploads:
    """Samples from construction to stop(). Connections that close between two samples lose
    what they sent since the last one."""

    def __init__(self, every=0.2):
        self.every, self.conns, self.series = every, {}, []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(self.every):
            self.sample()

    def sample(self):
        t0 = time.monotonic()
        out = subprocess.run(["ss", "-tinHO"], stdout=subprocess.PIPE, text=True).stdout
        t = (t0 + time.monotonic()) / 2
        for m in LINE.finditer(out):
            self.conns[m.group(1, 2, 3, 4)] = max(int(m.group(5)), self.conns.get(m.group(1, 2, 3, 4), 0))
        total = {}
        for c, n in self.conns.items():
            total[c[0]] = total.get(c[0], 0) + n
        self.series.append((t, total))

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.sample()
        return self

    def honesty(self, caps, wall):
        """caps: bytes/s of each peer, the seeder first. upload_over_cap: the largest of what a
        peer sent over the run / (cap x wall). burst_over_allowed: the largest excess over the
        cap between any two samples / max(64 KiB, 50 ms x cap); allow for the samples' own
        jitter of some 20 ms x cap."""
        over, burst = 0.0, 0.0
        for i, cap in enumerate(caps):
            if not cap:
                continue
            ip = peer_ip(i)
            low = None
            for t, total in self.series:
                f = total.get(ip, 0) - 1.01 * cap * t  # headers and haves: 1 % is allowed
                low = f if low is None else min(low, f)
                burst = max(burst, (f - low) / max(64 << 10, 0.05 * cap))
            over = max(over, self.series[-1][1].get(ip, 0) / (cap * wall))
        return {"upload_over_cap": round(over, 4), "burst_over_allowed": round(burst, 2)}
