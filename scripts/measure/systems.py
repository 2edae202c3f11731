"""The filesystems that are measured beside each other, all on the same disk.

plain      a folder of the disk itself
gocryptfs  encrypted folder with a passphrase file, as Debian ships it
bosr       a vault with a key file, mounted by the release build

`refresh` empties every cache on the way to the data: the server is stopped and started, the kernel's caches
dropped.
"""

import os
import subprocess

from host import Host
from process import Running, run, until
from workspace import mounted


class Plain:
    """A folder of the disk."""

    name = "plain"

    def __init__(self, folder):
        self.root = os.path.join(folder, "files")
        os.makedirs(self.root)

    def refresh(self):
        """Nothing but the kernel caches it."""

    def close(self):
        """Nothing to end."""


class Gocryptfs:
    """An encrypted folder by gocryptfs."""

    name = "gocryptfs"

    def __init__(self, folder):
        self.folder = folder
        self.root, self.cipher = os.path.join(folder, "mnt"), os.path.join(folder, "cipher")
        self.secret = os.path.join(folder, "passphrase")
        os.makedirs(self.root)
        os.makedirs(self.cipher)
        with open(self.secret, "w") as file:
            file.write("correct horse battery staple\n")
        run(["gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", self.secret, self.cipher])
        self.server = None
        self._mount()

    def _mount(self):
        words = ["gocryptfs", "-q", "-fg", "-nosyslog", "-passfile", self.secret, self.cipher, self.root]
        self.server = Running(words, os.path.join(self.folder, "log"))
        until("gocryptfs", lambda: mounted(self.root) or not self.server.alive(), 30)

    def refresh(self):
        """Mounts anew."""
        self.close()
        self._mount()

    def close(self):
        """Unmounts and waits for the server's end."""
        if self.server is None:
            return
        unmounting = ["fusermount3", "-u", self.root]
        if subprocess.run(unmounting, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            subprocess.run(["umount", "-l", self.root], stderr=subprocess.DEVNULL, check=False)
            self.server.stop()
        self.server.process.wait(60)
        self.server = None


class Bosr:
    """A vault of ours."""

    name = "bosr"

    def __init__(self, folder, bosr):
        self.host = Host(folder, bosr, "bench")
        self.root = self.host.mountpoint
        self.host.init()
        self.host.mount()

    def refresh(self):
        """Mounts anew."""
        self.host.unmount()
        self.host.mount()

    def close(self):
        """Unmounts."""
        self.host.close()


def drop_caches():
    """Writes back what is dirty, then empties the kernel's page, name and inode caches."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as control:
        control.write("3\n")
