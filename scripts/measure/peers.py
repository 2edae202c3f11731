"""What our sync is measured beside: iperf3 for what the link carries, rsync for what people use.

rsync talks to its own daemon, unencrypted: its best case, without the cost of ssh. All of it on a RAM disk.
"""

import contextlib
import json
import os
import resource
import time

import usage
from link import ADDRESSES
from process import Running, run, until

RSYNC_PORT = 8730


def iperf(link, folder, amount, control=None):
    """A row for what TCP carries from end 0 to end 1: `amount` are the words that say how much."""
    server = Running([*link.enter(1), "iperf3", "-s", "-1"], os.path.join(folder, "iperf.log"))
    try:
        until("iperf3", lambda: server.alive() and listening(link, 5201), 10)
        client = [*link.enter(0), "iperf3", "-J", *amount, "-c", ADDRESSES[1]]
        end = json.loads(run([*client, *(["-C", control] if control else [])]))["end"]
        return {"MB_per_s": end["sum_received"]["bits_per_second"] / 8e6, "resent": end["sum_sent"]["retransmits"]}
    finally:
        server.stop()


class Rsync:
    """An rsync daemon at end 0 that offers a folder; end 1 fetches from it."""

    def __init__(self, link, folder, source):
        self.link, self.folder = link, folder
        self.target = os.path.join(folder, "rsynced")
        config = os.path.join(folder, "rsyncd.conf")
        with open(config, "w") as file:
            file.write(
                f"use chroot = no\nport = {RSYNC_PORT}\nuid = 0\ngid = 0\npid file = {folder}/rsyncd.pid\n"
                f"[source]\npath = {source}\nread only = yes\n"
            )
        words = [*link.enter(0), "rsync", "--daemon", "--no-detach", f"--config={config}"]
        self.daemon = Running(words, os.path.join(folder, "rsyncd.log"))
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            until("the rsync daemon", lambda: self.daemon.alive() and listening(link, RSYNC_PORT, 0), 10)
            failing.pop_all()

    def fetch(self, sub=""):
        """A row for bringing a folder of the source (all of it if none is named) here."""
        source = f"rsync://{ADDRESSES[0]}:{RSYNC_PORT}/source/{sub}/"
        crossed, before = self.link.crossed(), usage.cpu_seconds(self.daemon.pid)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        run([*self.link.enter(1), "rsync", "-a", "--delete", source, os.path.join(self.target, sub) + "/"])
        seconds = time.perf_counter() - began
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        here = ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
        cpu = [usage.cpu_seconds(self.daemon.pid) - before, here]
        return {"seconds": seconds, "cpu_seconds": cpu, "wire_bytes": self.link.crossed() - crossed}

    def close(self):
        """Ends the daemon."""
        self.daemon.stop()


def listening(link, port, end=1):
    """Whether a TCP port is open at an end."""
    shown = run([*link.enter(end), "cat", "/proc/net/tcp", "/proc/net/tcp6"])
    lines = (line.split() for line in shown.splitlines())
    return any(words[3] == "0A" and words[1].endswith(f":{port:04X}") for words in lines if len(words) > 3)
