"""A host of ours: the `bosr` command with a HOME of its own, perhaps in a network namespace.

The vault is served by `bosr mount -f`, a child of the measurement, so that it can be stopped by its id and its
processor time be read.
"""

import json
import os
import signal
import subprocess

from process import Failed, Running, run, until
from workspace import mounted


class Host:
    """One device of a vault, all of it in `folder`."""

    def __init__(self, folder, bosr, name, namespace=None, listen="off", transport=None):
        self.folder, self.bosr, self.name = folder, bosr, name
        self.enter = ["nsenter", f"--net=/run/netns/{namespace}", "--"] if namespace else []
        self.mountpoint = os.path.join(folder, "mnt")
        self.owner = None
        home = os.path.join(folder, "home")
        self.key = os.path.join(home, "key")
        run_dir = os.path.join(folder, "run")
        for new in (home, run_dir, self.mountpoint):
            os.makedirs(new, mode=0o700)
        self.env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": home,
            "XDG_CONFIG_HOME": os.path.join(home, ".config"),
            "XDG_DATA_HOME": os.path.join(home, ".local/share"),
            "XDG_RUNTIME_DIR": run_dir,
            "BOSR_LISTEN": listen,
        }
        if transport:
            self.env["BOSR_TRANSPORT"] = transport

    def call(self, *arguments, timeout=600):
        """Runs `bosr`, which must work, and gives what it printed."""
        return run(self.words(arguments), env=self.env, timeout=timeout)

    def words(self, arguments):
        """The command line of `bosr` on this host."""
        return [*self.enter, self.bosr, *arguments]

    def start(self, log, *arguments):
        """Starts `bosr` and leaves it running."""
        return Running(self.words(arguments), os.path.join(self.folder, log), env=self.env)

    def init(self):
        """Makes the vault, opened by a key file."""
        self.call("init", "--device", self.name, "--key-file", self.key)

    def join(self, inviter):
        """Becomes a device of the vault of `inviter`, which is mounted."""
        ticket = inviter.call("invite").splitlines()[0]
        self.call("join", ticket, "--device", self.name, "--key-file", self.key)

    def mount(self):
        """Mounts the vault and waits until it is there."""
        self.owner = self.start("mount.log", "mount", "-f", self.mountpoint)
        until("the mount", lambda: mounted(self.mountpoint) or not self.owner.alive(), 30)

    def unmount(self):
        """Unmounts it and waits until its owner has ended, everything durable."""
        if self.owner is None:
            return
        owner, self.owner = self.owner, None
        try:
            self.call("unmount", self.mountpoint, timeout=60)
            owner.wait(60)
        except (Failed, subprocess.TimeoutExpired):
            subprocess.run(["umount", "-l", self.mountpoint], stderr=subprocess.DEVNULL, check=False)
            raise
        finally:
            owner.stop(signal.SIGTERM)

    def close(self):
        """Ends what runs, whatever state it is in."""
        try:
            self.unmount()
        except (Failed, subprocess.TimeoutExpired):
            pass

    def status(self):
        """`bosr status` as a dictionary."""
        return json.loads(self.call("status", "--json"))
