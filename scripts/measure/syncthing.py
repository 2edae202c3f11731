"""Two Syncthing devices that share one folder, with discovery, relays and usage reports off.

Rows begin when device a is told to scan, as its file watcher would ten seconds later, and end when device b has
told a that it lacks nothing; so they hold the hashing at the sender, which for ours happens while files are written.
"""

import json
import os
import subprocess
import xml.etree.ElementTree as tree

import usage
from link import ADDRESSES
from process import Failed, Running, run, until

KEY = "measuring"
FOLDER = "shared"
PORT = 22000
OPTIONS = {
    "globalAnnounceEnabled": "false",
    "localAnnounceEnabled": "false",
    "relaysEnabled": "false",
    "natEnabled": "false",
    "crashReportingEnabled": "false",
    "startBrowser": "false",
    "urAccepted": "-1",
    "autoUpgradeIntervalH": "0",
    "reconnectionIntervalS": "5",
    "setLowPriority": "false",
}


class Device:
    """One Syncthing, all of it in `folder`."""

    def __init__(self, link, end, folder):
        self.link, self.end, self.folder = link, end, folder
        self.shared = os.path.join(folder, "shared")
        self.home = os.path.join(folder, "home")
        os.makedirs(os.path.join(self.shared, ".stfolder"))
        self.env = {"PATH": os.environ["PATH"], "HOME": folder, "STNODEFAULTFOLDER": "1"}
        run(["syncthing", "generate", f"--home={self.home}", "--no-default-folder"], env=self.env)
        self.id = run(["syncthing", f"--home={self.home}", "--device-id"], env=self.env).strip()
        self.process = None

    def configure(self, other):
        """Writes what is to hold into the configuration that was generated."""
        path = os.path.join(self.home, "config.xml")
        config = tree.parse(path)
        root = config.getroot()
        for device in root.findall("device") + root.findall("folder"):
            root.remove(device)
        for one in (self, other):
            device = tree.SubElement(root, "device", id=one.id, name=f"end{one.end}", compression="never")
            tree.SubElement(device, "address").text = f"tcp://{ADDRESSES[one.end]}:{PORT}"
        watch = {"fsWatcherEnabled": "true", "fsWatcherDelayS": "10", "rescanIntervalS": "3600"}
        share = tree.SubElement(root, "folder", id=FOLDER, path=self.shared, type="sendreceive", **watch)
        for one in (self, other):
            tree.SubElement(share, "device", id=one.id)
        tree.SubElement(share, "minDiskFree", unit="%").text = "0"
        gui = root.find("gui")
        gui.find("address").text = "127.0.0.1:8384"
        gui.find("apikey").text = KEY
        options = root.find("options")
        for old in options.findall("listenAddress"):
            options.remove(old)
        tree.SubElement(options, "listenAddress").text = f"tcp://{ADDRESSES[self.end]}:{PORT}"
        for key, value in OPTIONS.items():
            element = options.find(key)
            (tree.SubElement(options, key) if element is None else element).text = value
        config.write(path)

    def start(self):
        """Starts it and waits until it answers."""
        words = ["syncthing", "serve", f"--home={self.home}", "--no-browser", "--no-restart"]
        self.process = Running([*self.link.enter(self.end), *words], os.path.join(self.folder, "log"), env=self.env)
        until("Syncthing", lambda: self.process.alive() and self.answers(), 60, 0.2)

    def answers(self):
        """Whether its interface is up."""
        try:
            return bool(self.ask("system/ping"))
        except (Failed, subprocess.TimeoutExpired):
            return False

    def ask(self, path, method="GET"):
        """A call of its interface, which listens inside the host's network."""
        words = ["python3", "-c", ASK, method, f"http://127.0.0.1:8384/rest/{path}", KEY]
        said = run([*self.link.enter(self.end), *words])
        return json.loads(said) if said.strip() else None


ASK = (
    "import sys, urllib.request as r\n"
    "q = r.Request(sys.argv[2], method=sys.argv[1], headers={'X-API-Key': sys.argv[3]})\n"
    "print(r.urlopen(q, timeout=600).read().decode())"
)


class Syncthing:
    """Device a and device b."""

    def __init__(self, link, folder):
        self.link = link
        self.devices = [Device(link, end, os.path.join(folder, f"syncthing{end}")) for end in (0, 1)]
        a, b = self.devices
        a.configure(b)
        b.configure(a)
        try:
            a.start()
            b.start()
            until("Syncthing's connection", self.connected, 60, 0.2)
        except BaseException:
            self.close()
            raise

    def connected(self):
        """Whether the two have met."""
        a, b = self.devices
        there = a.ask("system/connections")["connections"]
        return there.get(b.id, {}).get("connected", False)

    def bring(self):
        """A row for bringing what has changed in a's folder to b's."""
        a, b = self.devices
        crossed = self.link.crossed()
        watch = usage.Watch([device.process.pid for device in self.devices])
        a.ask(f"db/scan?folder={FOLDER}", "POST")

        def there():
            lacks = a.ask(f"db/completion?folder={FOLDER}&device={b.id}")
            if lacks["needItems"] or lacks["needDeletes"] or lacks["needBytes"]:
                return False
            # Before the first index has crossed, nothing seems to be lacking.
            here, there = (device.ask(f"db/status?folder={FOLDER}") for device in (a, b))
            return here["globalBytes"] == there["globalBytes"] and there["needBytes"] == 0

        until("Syncthing in sync", there, 1800, 0.1)
        return watch.stop() | {"wire_bytes": self.link.crossed() - crossed}

    def close(self):
        """Ends both."""
        for device in self.devices:
            if device.process:
                device.process.stop()
