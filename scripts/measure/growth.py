"""scripts/bench mount --growth: how cost grows with the number of files and with the size of one.

One vault, mounted, grows to 10 thousand, 100 thousand and a million files of a few bytes, a thousand to a folder
(--counts for others). At each size the same small work is timed on files picked at random: so a figure that
grows with the size of the vault shows, whatever the machine. Before the cold work the vault is mounted anew and
the kernel's caches are dropped. Then one file of 10 GB (--huge for another size, in MB) is written, appended to and
edited in its middle, each with fsync, and a last time until it is part of a commit.

What a commit costs is the server's processor time from the last change until the root of the vault is another.
"""

import os
import random
import time

import report
import usage
from process import until
from systems import Bosr, drop_caches
from work import BLOCK, SLICE

FOLDER = 1000  # files in one
SAMPLE = 1000  # operations timed at each size
MB = 1 << 20


def grow(folder, bosr, counts, huge):
    """All findings: a list by count, and the huge file's; prints each as it comes."""
    system = Bosr(os.path.join(folder, "growth"), bosr)
    try:
        grown = Grown(system)
        sizes = [grown.measure(count) for count in sorted(counts)]
        return {"files": sizes, "huge": huge_file(system, huge) if huge else None}
    finally:
        system.close()


class Grown:
    """A vault that is filled step by step."""

    def __init__(self, system):
        self.system, self.count, self.random = system, 0, random.Random(1)

    def path(self, number):
        """Where the file of that number lies."""
        return os.path.join(self.system.root, f"{number // FOLDER:04}", f"file {number:07}.txt")

    def measure(self, count):
        """Grows to `count` files, and times everything there."""
        found = {"count": count, "create_us": self.fill(count), "rss_mb": self.memory()}
        found["rss_after_mount_mb"], found["mount_s"] = self.remount()
        found |= {"lookup_cold_us": self.lookup(), "lookup_us": self.lookup()}
        self.remount()
        found |= {"list_cold_us": self.listing(), "list_us": self.listing()}
        found |= {"rename_us": self.rename(), "commit_us": self.commit()}
        print(f"  {count:,} files: " + ", ".join(f"{key} {report.figure(found[key])}" for key in list(found)[1:]))
        return found

    def fill(self, count):
        """Makes files up to `count`; microseconds for each of the last."""
        last = max(self.count, count - 10 * SAMPLE)
        began = time.perf_counter()
        for number in range(self.count, count):
            if number == last:
                began = time.perf_counter()
            if number % FOLDER == 0:
                os.makedirs(os.path.dirname(self.path(number)), exist_ok=True)
            with open(self.path(number), "wb", buffering=0) as file:
                file.write(b"%d\n" % number)
        seconds, self.count = time.perf_counter() - began, count
        return seconds / (count - last) * 1e6

    def remount(self):
        """Mounts anew with cold caches; MB of memory of the server then, and seconds until it served."""
        self.system.host.unmount()
        drop_caches()
        began = time.perf_counter()
        self.system.host.mount()
        os.stat(self.system.root)
        return self.memory(), time.perf_counter() - began

    def memory(self):
        """Resident memory of the server in MB."""
        with open(f"/proc/{self.system.host.owner.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def some(self):
        """Paths picked at random."""
        return [self.path(self.random.randrange(self.count)) for _ in range(SAMPLE)]

    def lookup(self):
        """Microseconds to stat a file."""
        return timed(self.some(), os.stat)

    def listing(self):
        """Microseconds an entry to list and stat folders."""
        folders = [os.path.dirname(path) for path in self.some()[:10]]
        return timed(folders, lambda folder: [entry.stat() for entry in os.scandir(folder)]) / FOLDER

    def rename(self):
        """Microseconds to rename a file to and fro."""

        def there_and_back(path):
            os.rename(path, path + "~")
            os.rename(path + "~", path)

        return timed(self.some(), there_and_back) / 2

    def commit(self):
        """Microseconds of the server's processor time for each of the files changed in a commit."""
        self.settle()
        before = self.system.host.status()["root"]
        for path in self.some():
            os.utime(path)
        began = usage.cpu_seconds(self.system.host.owner.pid)
        until("a commit", lambda: self.system.host.status()["root"] != before, 60, 0.1)
        return (usage.cpu_seconds(self.system.host.owner.pid) - began) / SAMPLE * 1e6

    def settle(self):
        """Waits until nothing is left to be committed: the root stays what it is."""
        seen = [None]

        def still():
            root = self.system.host.status()["root"]
            same, seen[0] = root == seen[0], root
            return same

        until("quiet", still, 120, 3)


def huge_file(system, megabytes):
    """A file of so many MB: seconds to write it, to append 1 MB, to edit 4 KiB in its middle, each durable, and
    the server's processor time until the edit is committed."""
    path, block = os.path.join(system.root, "huge"), memoryview(os.urandom(64 * MB))
    found = {"mb": megabytes}
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    began = time.perf_counter()
    for start in range(megabytes):
        # No two slices are the same bytes.
        slice_ = bytearray(block[start % 64 * MB : start % 64 * MB + SLICE])
        slice_[:8] = start.to_bytes(8, "little")
        slice_ = slice_[start // 64 :] + slice_[: start // 64]
        os.pwrite(file, slice_, start * SLICE)
    os.fsync(file)
    os.close(file)
    found["write_mb_per_s"] = megabytes / (time.perf_counter() - began)
    for name, offset, data in (
        ("append", megabytes * MB, block[:MB]),
        ("edit", megabytes * MB // 2 + 12345, block[:BLOCK]),
    ):
        before, began, cpu = system.host.status()["root"], time.perf_counter(), usage.cpu_seconds(system.host.owner.pid)
        file = os.open(path, os.O_RDWR)
        os.pwrite(file, data, offset)
        os.fsync(file)
        found[f"{name}_fsync_ms"] = (time.perf_counter() - began) * 1e3
        os.close(file)
        until("a commit", lambda: system.host.status()["root"] != before, 60, 0.05)
        found[f"{name}_commit_cpu_ms"] = (usage.cpu_seconds(system.host.owner.pid) - cpu) * 1e3
    print(f"  {megabytes} MB file: " + ", ".join(f"{key} {report.figure(found[key])}" for key in list(found)[1:]))
    return found


def timed(things, act):
    """Microseconds that `act` takes for each of `things`."""
    began = time.perf_counter()
    for thing in things:
        act(thing)
    return (time.perf_counter() - began) / len(things) * 1e6
