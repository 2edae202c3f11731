"""Two devices of one vault of ours, a and b, each mounted in its own network.

Rows begin when `bosr sync` starts on b and end when it exits; a has written the data into its mount and was
mounted anew since, so that what is timed is syncing alone. Afterwards roots are equal, nothing waits, and b's
mount holds a's bytes, or the row fails.
"""

import contextlib
import os

import data
import usage
from host import Host
from link import ADDRESSES
from process import Failed, until

PORT = 4747
# Between a connection and the first slice of a new file lies at least this much: two handshakes.
FIRST_BYTES = 64 << 10


class Devices:
    """A vault with two devices. `transport` is tcp or quic."""

    def __init__(self, link, folder, bosr, transport):
        self.link, self.transport = link, transport
        os.makedirs(folder)
        self.ending = contextlib.ExitStack()
        self.hosts = [
            Host(os.path.join(folder, name), bosr, name, link.names[end], f"{ADDRESSES[end]}:{PORT}", transport)
            for end, name in enumerate(("desk", "laptop"))
        ]
        a, b = self.hosts
        try:
            for host in self.hosts:
                self.ending.callback(host.close)
            a.init()
            a.mount()
            b.join(a)
            b.mount()
        except BaseException:
            self.ending.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.close()

    def settle(self):
        """Makes what a has written durable and leaves no connection: both are mounted anew."""
        for host in self.hosts:
            host.unmount()
            host.mount()

    def sync(self):
        """A row for one sync of whatever differs."""
        crossed = self.link.crossed()
        watch = usage.Watch([host.owner.pid for host in self.hosts])
        self.hosts[1].call("sync", "-q", timeout=1800)
        return watch.stop() | {"wire_bytes": self.link.crossed() - crossed}

    def bring(self, sub):
        """A row for bringing a folder of a's mount, written just now, to b."""
        self.settle()
        row = self.sync()
        self.check(sub)
        return row

    def check(self, sub):
        """Fails unless b holds what a has."""
        a, b = self.hosts
        until("equal roots", lambda: a.status()["root"] == b.status()["root"], 10, 0.1)
        # The count may lag behind what has arrived.
        until("nothing waiting", lambda: not b.status()["waiting"]["files"], 10, 0.1)
        here, there = (os.path.join(host.mountpoint, sub) for host in self.hosts)
        if other := data.same_trees(here, there):
            raise Failed(f"{other}: other bytes on the other side")

    def follow(self):
        """Lets both follow until this ends."""
        for host in self.hosts:
            self.ending.callback(host.start("follow.log", "sync", "--follow").stop)


def works(link, folder, bosr, transport):
    """Whether a transport carries a sync when the other protocol is shut out."""
    with Devices(link, folder, bosr, transport) as devices:
        a, _ = devices.hosts
        with open(os.path.join(a.mountpoint, "note"), "w") as file:
            file.write("hello\n")
        devices.settle()
        link.say(f"set drop={'tcp' if transport == 'quic' else 'udp'}")
        try:
            devices.hosts[1].call("sync", "-q", timeout=30)
            return True
        except Exception:  # whatever keeps it from working
            return False
        finally:
            link.say("clear")
