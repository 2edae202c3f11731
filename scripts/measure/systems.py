"""The filesystems that are measured beside each other, all on the same disk.

plain      a folder of the disk itself
gocryptfs  encrypted folder with a passphrase file, as Debian ships it
cryfs      the same by CryFS, where it is installed
encfs      the same by EncFS with its standard settings, where it is installed
memory     our driver before a filesystem in memory (--ceiling): what FUSE costs, whatever is behind it
bosr       a vault with a key file, mounted by the release build

`refresh` empties every cache on the way to the data: the server is stopped and started, the kernel's caches
dropped.
"""

import os
import shutil
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


class Encrypted:
    """An encrypted folder by a program that stays in the foreground while it is mounted."""

    name = ""
    env = None

    def __init__(self, folder):
        self.folder = folder
        self.root, self.cipher = os.path.join(folder, "mnt"), os.path.join(folder, "cipher")
        self.secret = os.path.join(folder, "passphrase")
        os.makedirs(self.root)
        os.makedirs(self.cipher)
        with open(self.secret, "w") as file:
            file.write("correct horse battery staple\n")
        self.server = None
        self._init()
        self._mount()

    def _init(self):
        """Makes the encrypted folder, where mounting does not."""

    def _words(self):
        """The command that mounts it; it may read the passphrase from its input."""
        raise NotImplementedError

    def _mount(self):
        with open(self.secret, "rb") as said:
            self.server = Running(self._words(), os.path.join(self.folder, "log"), env=self.env, said=said)
        until(self.name, lambda: mounted(self.root) or not self.server.alive(), 60)

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


class Gocryptfs(Encrypted):
    """An encrypted folder by gocryptfs."""

    name = "gocryptfs"

    def _init(self):
        run(["gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", self.secret, self.cipher])

    def _words(self):
        return ["gocryptfs", "-q", "-fg", "-nosyslog", "-passfile", self.secret, self.cipher, self.root]


class Cryfs(Encrypted):
    """An encrypted folder by CryFS, whose own state stays in the folder of the run."""

    name = "cryfs"

    def __init__(self, folder):
        home = os.path.join(folder, "home")
        self.env = {**os.environ, "HOME": home, "CRYFS_FRONTEND": "noninteractive", "CRYFS_NO_UPDATE_CHECK": "true"}
        os.makedirs(home)
        super().__init__(folder)

    def _words(self):
        return ["cryfs", "-f", self.cipher, self.root]


class Encfs(Encrypted):
    """An encrypted folder by EncFS."""

    name = "encfs"

    def _words(self):
        return ["encfs", "-f", "-S", "--standard", self.cipher, self.root]


class InMemory(Encrypted):
    """The filesystem in memory of the driver's tests. Its caches cannot be emptied: what they hold is all there is."""

    name = "memory"

    def __init__(self, folder, program):
        self.program = program
        super().__init__(folder)

    def _words(self):
        return [self.program, self.root]

    def refresh(self):
        """Its content would be gone."""


def installed():
    """Those of the other encrypted folders that are here."""
    return [system for system in (Gocryptfs, Cryfs, Encfs) if shutil.which(system.name)]


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
