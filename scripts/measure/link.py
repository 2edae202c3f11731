"""The network that syncing is measured over: a lab of scripts/netlab with two hosts, a and b.

Programs enter with `nsenter --net=...`, not with `ip netns exec`, which would give them a mount namespace of
their own, so that nobody else saw what they mount.

The hosts' TCP buffers may grow to 128 MiB, so that a window never decides before the path does: the kernel's
usual 4 and 6 MiB carry about 0.4 Gbit/s at 100 ms, whatever program fills them.
"""

import os
import subprocess

from process import Failed, run

ADDRESSES = ("10.77.0.1", "10.77.0.2")
HOSTS = ("a", "b")
BUFFERS = {"tcp_rmem": "4096 131072 134217728", "tcp_wmem": "4096 16384 134217728"}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Link:
    """Two hosts and what lies between them, at a rate in the words of `tc` (1gbit)."""

    def __init__(self, rate):
        netlab = os.path.join(ROOT, "target", "release", "netlab")
        # The lab ends with its standard input, hence also when this process is killed.
        self.process = subprocess.Popen(
            [netlab, "serve", "--rate", rate], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        tag = self.process.stdout.readline().strip()
        if not tag:
            raise Failed("scripts/netlab: no lab")
        self.names = [f"{tag}.{host}" for host in HOSTS]
        for end in (0, 1):
            for key, value in BUFFERS.items():
                run([*self.enter(end), "sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{key}"])

    def say(self, line):
        """Tells the lab something (`set rtt=50ms loss=1%`), and gives what it answers."""
        self.process.stdin.write(line + "\n")
        said = []
        while not (answer := self.process.stdout.readline()).startswith(("ok", "error")):
            if not answer:
                raise Failed("scripts/netlab has ended")
            said.append(answer)
        if answer.startswith("error"):
            raise Failed(answer.strip())
        return "".join(said)

    def enter(self, end):
        """The words before a command that is to run at an end."""
        return ["nsenter", f"--net=/run/netns/{self.names[end]}", "--"]

    def sent(self, end):
        """Bytes that an end has put on the wire so far."""
        return int(self.say(f"traffic {HOSTS[end]}").split()[0].partition("=")[2])

    def crossed(self):
        """Bytes both ways so far."""
        return self.sent(0) + self.sent(1)

    def close(self):
        """Takes all of it away."""
        self.process.stdin.close()
        self.process.wait(20)
