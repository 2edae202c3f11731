"""scripts/bench sync: two devices of a vault over a shaped link, beside iperf3 and rsync.

How: two network namespaces joined by a veth pair, each end shaped to 1 Gbit/s by `tc tbf`; all stores, sources
and targets on a RAM disk, so that no disk decides. In each round, in turn and in the same direction: iperf3
(what TCP carries), rsync from its daemon, and ours.

Ours: device a has written the data into its mount and was mounted anew since; device b, mounted, runs
`bosr sync`. Timed is that command, from start to exit. Then roots must be equal, nothing may be waiting, and
the bytes in b's mount must be a's. Processor time is that of the two processes that serve the mounts. The
vault grows with the rounds; the data of each is new.

Then both run `bosr sync --follow`, and edits are timed from close() in a's mount until b's mount reads them
(latency.py): on an idle link, and during the transfer of one more big file.
"""

import argparse
import collections
import contextlib
import os
import random
import shutil
import sys
import time
import traceback

import latency
import report
from host import Host
from link import ADDRESSES, Link
from peers import Rsync, iperf
from process import Failed, end_on_signals, until
from workspace import workspace

RATE = "1gbit"
PORT = 4747
Sizes = collections.namedtuple("Sizes", "big files edits iperf_seconds")
FULL = Sizes(big=1 << 30, files=10_000, edits=100, iperf_seconds=5)
QUICK = Sizes(big=256 << 20, files=2_000, edits=30, iperf_seconds=3)
MB = 1e6


class Bench:
    """One run: the link, the two devices, and what was found."""

    def __init__(self, options, folder, link, ending):
        self.options, self.folder, self.link, self.ending = options, folder, link, ending
        self.source = os.path.join(folder, "source")
        os.mkdir(self.source)
        self.hosts = None

    def make_source(self, number):
        """The data of a round: random bytes, one big file and many small ones. Gives the two folders' names."""
        chance = random.Random(os.urandom(16))
        big, small = f"big{number}", f"small{number}"
        os.mkdir(os.path.join(self.source, big))
        write_random(os.path.join(self.source, big, "file"), self.options.sizes.big)
        for index in range(self.options.sizes.files):
            folder = os.path.join(self.source, small, f"{index // 100:03}")
            os.makedirs(folder, exist_ok=True)
            write_random(os.path.join(folder, f"file {index:05}.bin"), chance.randint(1024, 8192))
        return big, small

    def start_devices(self):
        """Device a with a vault, mounted, and device b of the same vault."""
        homes = [os.path.join(self.folder, name) for name in ("a", "b")]
        self.hosts = [
            Host(home, self.options.bosr, name, self.link.names[end], f"{ADDRESSES[end]}:{PORT}")
            for end, (home, name) in enumerate(zip(homes, ("desk", "laptop")))
        ]
        for host in self.hosts:
            self.ending.callback(host.close)
        a, b = self.hosts
        a.init()
        a.mount()
        b.join(a)

    def sync(self, sub):
        """Brings a folder of the source from a to b. Gives seconds, and processor seconds of each side."""
        a, b = self.hosts
        shutil.copytree(os.path.join(self.source, sub), os.path.join(a.mountpoint, sub))
        a.unmount()  # commits what was written, which is not part of syncing
        a.mount()
        b.mount()
        used = [host.owner.cpu_seconds() for host in self.hosts]
        began = time.perf_counter()
        b.call("sync", "-q")
        seconds = time.perf_counter() - began
        used = [host.owner.cpu_seconds() - before for host, before in zip(self.hosts, used)]
        self.check(sub)
        b.unmount()
        return seconds, used

    def check(self, sub):
        """Fails unless b holds what a has."""
        a, b = self.hosts
        if a.status()["root"] != b.status()["root"]:
            raise Failed(f"{sub}: roots differ after sync")
        # The count may lag behind what has arrived.
        until(f"{sub}: nothing waiting after sync", lambda: not b.status()["waiting"]["files"], 5, 0.1)
        for folder, _, names in os.walk(os.path.join(self.source, sub)):
            for name in names:
                path = os.path.join(folder, name)
                there = os.path.join(self.hosts[1].mountpoint, os.path.relpath(path, self.source))
                if not same_bytes(path, there):
                    raise Failed(f"{there}: other bytes than were sent")


class Findings:
    """The figures of all rounds: MB/s of the big file, seconds of the small ones, delays of the edits."""

    def __init__(self):
        self.big = {"iperf3": [], "rsync": [], "bosr": []}
        self.small = {"rsync": [], "bosr": []}
        self.cpu = []  # per round: shares of all cores at either end during the big file
        self.delays = {}  # what ran beside -> sorted seconds
        self.errors = []

    @contextlib.contextmanager
    def noting(self, what, values=None):
        """Notes a failure, and leaves a gap in the figures `values`."""
        try:
            yield
        except (OSError, Failed, KeyError) as error:
            self.errors.append(f"{what}: {error}")
            print(f"  {what}: {error}", file=sys.stderr)
            if values is not None:
                values.append(None)


def one_round(bench, number, findings):
    """One round of the transfers; the order turns with the rounds."""
    sizes, folder = bench.options.sizes, bench.folder
    big, small = bench.make_source(number)

    def by_iperf():
        with findings.noting("iperf3", findings.big["iperf3"]):
            findings.big["iperf3"].append(iperf(bench.link, folder, sizes.iperf_seconds))

    def by_rsync():
        with contextlib.closing(Rsync(bench.link, folder, bench.source)) as rsync:
            target = os.path.join(folder, "rsynced")
            with findings.noting("rsync, big file", findings.big["rsync"]):
                findings.big["rsync"].append(sizes.big / rsync.fetch(big, target) / MB)
            with findings.noting("rsync, small files", findings.small["rsync"]):
                findings.small["rsync"].append(rsync.fetch(small, target))
            shutil.rmtree(target, ignore_errors=True)

    def by_ours():
        with findings.noting("ours, big file", findings.big["bosr"]):
            seconds, used = bench.sync(big)
            findings.cpu.append([cpu / seconds / len(os.sched_getaffinity(0)) for cpu in used])
            findings.big["bosr"].append(sizes.big / seconds / MB)
        with findings.noting("ours, small files", findings.small["bosr"]):
            findings.small["bosr"].append(bench.sync(small)[0])

    works = [by_iperf, by_rsync] + ([by_ours] if bench.hosts else [])
    turn = number % len(works)
    for work in works[turn:] + works[:turn]:
        work()
    for name in (big, small):
        shutil.rmtree(os.path.join(bench.source, name))
    for title, unit, figures in (("big file", "MB/s", findings.big), ("small files", "s", findings.small)):
        latest = (f"{name} {report.figure(values[-1])}" for name, values in figures.items() if values)
        print(f"  {title}, {unit}: {', '.join(latest)}", file=sys.stderr)


def follow(bench, findings):
    """The delays of edits while both ends follow."""
    sizes, (a, b) = bench.options.sizes, bench.hosts
    if b.owner is None:
        b.mount()
    here, there = a.mountpoint, b.mountpoint
    for host in bench.hosts:
        bench.ending.callback(host.start("follow.log", "sync", "--follow").stop)
    latency.meet(here, there)
    with findings.noting("edits on an idle link"):
        findings.delays["idle"] = latency.edits(here, there, "idle", sizes.edits)
    with findings.noting("edits during a transfer"):
        bulk = os.path.join(bench.source, "bulk")
        write_random(bulk, sizes.big)
        before = bench.link.sent(0)
        shutil.copyfile(bulk, os.path.join(here, "bulk"))
        until("the start of the transfer", lambda: bench.link.sent(0) - before > 8 * MB, 60)

        def going():
            return bench.link.sent(0) - before < 0.9 * sizes.big

        findings.delays["bulk"] = latency.edits(here, there, "bulk", sizes.edits, going)


def write_random(path, length):
    """A new file of random bytes."""
    with open(path, "wb") as file:
        for start in range(0, length, 1 << 20):
            file.write(os.urandom(min(1 << 20, length - start)))


def same_bytes(mine, theirs):
    """Whether two files hold the same."""
    with open(mine, "rb") as left, open(theirs, "rb") as right:
        while True:
            piece = left.read(1 << 20)
            if piece != right.read(1 << 20):
                return False
            if not piece:
                return True


def summary(findings):
    """The findings as the JSON has them, each beside its goal."""
    big, small = findings.big, findings.small
    to_iperf = report.median(report.ratios(big["bosr"], big["iperf3"]))
    to_rsync = report.median(report.ratios(big["bosr"], big["rsync"]))
    times = report.median(report.ratios(small["bosr"], small["rsync"]))
    cpu = [report.median(side) for side in zip(*findings.cpu)]
    delays = {
        name: {
            "count": len(values),
            "median": report.share(values, 0.5),
            "p90": report.share(values, 0.9),
            "p99": report.share(values, 0.99),
            "max": values[-1],
            "all": values,
        }
        for name, values in findings.delays.items()
        if values
    }
    return {
        "big_file": {"MB_per_s": big, "ours_to_iperf3": to_iperf, "ours_to_rsync": to_rsync, "goal_to_iperf3": 0.95},
        "small_files": {"seconds": small, "ours_to_rsync_seconds": times, "goal_at_most": 1.5},
        "cpu_share": {"sender": cpu[0], "receiver": cpu[1], "goal_below": 0.25} if cpu else None,
        "latency_seconds": {"goal_median": 0.06, "goal_p99": 0.3, **delays},
        "errors": findings.errors,
    }


def show(options, findings):
    """Prints the tables."""
    found, sizes = summary(findings), options.sizes
    big, small, cpu = found["big_file"], found["small_files"], found["cpu_share"]

    def middle(values):
        return report.figure(report.median(values))

    def met(value, holds):
        return "" if value is None else "met" if holds(value) else "missed"

    share, times = big["ours_to_iperf3"], small["ours_to_rsync_seconds"]
    name = f"one file of {sizes.big >> 20} MiB, MB/s"
    rows = [
        [name, *(middle(big["MB_per_s"][key]) for key in ("iperf3", "rsync", "bosr"))]
        + [report.figure(big["ours_to_rsync"]), report.figure(share), ">= 0.95 iperf3"]
        + [met(share, lambda v: v >= 0.95)],
        [f"{sizes.files} files of 1 to 8 KiB, s", "-", *(middle(small["seconds"][key]) for key in ("rsync", "bosr"))]
        + [report.figure(times), "-", "<= 1.50 rsync", met(times, lambda v: v <= 1.5)],
    ]
    print(f"\n{options.rounds} rounds over {RATE}; medians\n")
    print(report.table(["work", "iperf3", "rsync", "ours", "ours/rsync", "ours/iperf3", "goal", ""], rows))
    if cpu:
        print(
            f"\nprocessor during the big file, share of all cores: sender {cpu['sender']:.0%},"
            f" receiver {cpu['receiver']:.0%} (goal < 25 % each)"
        )
    head = ["close() to readable, ms", "edits", "median", "90 %", "99 %", "longest", "goal", ""]
    rows = []
    for key, title in (("idle", "link idle"), ("bulk", "during a transfer")):
        if delay := found["latency_seconds"].get(key):
            marks = [report.figure(delay[mark] * 1000) for mark in ("median", "p90", "p99", "max")]
            good = delay["median"] < 0.06 and delay["p99"] < 0.3
            rows.append([title, str(delay["count"]), *marks, "median < 60, 99 % < 300", "met" if good else "missed"])
    if rows:
        print("\n" + report.table(head, rows))
    for error in findings.errors:
        print(f"failed: {error}")


def parse():
    """The options."""
    parser = argparse.ArgumentParser(prog="scripts/bench sync")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--json", metavar="FILE", help="write the findings there")
    parser.add_argument("--rounds", type=int, help="default 3, 2 with --quick")
    parser.add_argument("--dir", default="/dev/shm", help="a folder on a RAM disk (default /dev/shm)")
    parser.add_argument("--without", action="append", default=[], choices=["bosr"])
    parser.add_argument("--bosr", metavar="FILE", help="the binary to measure")
    options = parser.parse_args()
    options.sizes = QUICK if options.quick else FULL
    options.rounds = options.rounds or (2 if options.quick else 3)
    if not options.without and not options.bosr:
        parser.error("--bosr FILE is needed, or --without bosr")
    return options


def measure(options, findings):
    """The whole run."""
    with workspace(options.dir) as folder, contextlib.ExitStack() as ending:
        link = Link(RATE)
        ending.callback(link.close)
        bench = Bench(options, folder, link, ending)
        if not options.without:
            bench.start_devices()
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            one_round(bench, number, findings)
        if bench.hosts:
            follow(bench, findings)


def main():
    """Runs and reports; also what was found before an interruption."""
    end_on_signals()
    options, findings, code = parse(), Findings(), 0
    try:
        measure(options, findings)
    except (KeyboardInterrupt, SystemExit):
        code = 130
    except (OSError, Failed) as error:
        findings.errors.append(str(error))
        traceback.print_exc()
    show(options, findings)
    if options.json:
        sizes = options.sizes._asdict()
        content = {"rate": RATE, "quick": options.quick, "rounds": options.rounds, "sizes": sizes}
        report.save(options.json, "sync", content | summary(findings))
    return code or (1 if findings.errors else 0)


if __name__ == "__main__":
    sys.exit(main())
