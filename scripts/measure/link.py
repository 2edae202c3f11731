"""Two network namespaces and a cable between them, of a given rate both ways.

Programs enter with `nsenter --net=...`, not with `ip netns exec`, which would give them a mount namespace of
their own, so that nobody else saw what they mount.
"""

import json
import os
import subprocess

from process import run

ADDRESSES = ("10.78.0.1", "10.78.0.2")
# The burst lets whole GSO packets through; the queue holds 40 ms, a little more than a good router's.
SHAPE = ["burst", "256kb", "latency", "40ms"]


class Link:
    """A cable of `rate`, in the words of `tc` (1gbit)."""

    def __init__(self, rate):
        self.names = [f"bosrbench{os.getpid()}{end}" for end in "ab"]
        try:
            self._lay(rate)
        except BaseException:
            self.close()
            raise

    def _lay(self, rate):
        for name in self.names:
            run(["ip", "netns", "add", name])
            run(["ip", "-n", name, "link", "set", "lo", "up"])
        a, b = self.names
        run(["ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b])
        for name, address in zip(self.names, ADDRESSES):
            run(["ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0"])
            run(["ip", "-n", name, "link", "set", "eth0", "up"])
            run(["tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, *SHAPE])

    def enter(self, end):
        """The words before a command that is to run at an end."""
        return ["nsenter", f"--net=/run/netns/{self.names[end]}", "--"]

    def sent(self, end):
        """Bytes that an end has put on the cable so far."""
        shown = json.loads(run(["ip", "-j", "-s", "-n", self.names[end], "link", "show", "dev", "eth0"]))
        return shown[0]["stats64"]["tx"]["bytes"]

    def close(self):
        """Takes all of it away."""
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
