"""scripts/bench mount: a vault of ours beside a plain folder of the same disk, gocryptfs, and CryFS and EncFS where
they are installed. With --growth instead: how cost grows (growth.py); with --sustained: writes all over (sustained.py).

How: in each round every filesystem starts empty and new. Row by row, they do the same work on the same
bytes one after the other, in an order that turns with the rounds; before each piece of work what is dirty is
written back, and before a cold one the servers are started anew and the kernel's caches dropped. A row's ratio
is the median of the ratios of its rounds, since the disk may be three times as fast a minute later. Figures are
medians; what is in the JSON besides are the figures of each round.

On a virtual machine whose idle CPUs sleep at once, every request to a server is two interrupts of some 50 µs, whatever
the server does. `--awake` keeps idle CPUs polling for the whole run, for all filesystems alike, as the default of
Linux guests (`guest_halt_poll_ns`), many hosts and busy machines do: with it the table shows what is the servers'.

The goal of the big write is measured against the slower of the disk and our own pipeline (cut, hash, compress,
encrypt, append): `bosr put` of the same bytes into a vault on a RAM disk, less the time of an empty file.
"""

import argparse
import collections
import contextlib
import os
import random
import struct
import sys
import time
import traceback

import growth
import report
import sustained
import work
from host import Host
from process import Failed, end_on_signals
from systems import Bosr, InMemory, Plain, drop_caches, installed
from workspace import filesystem_of, workspace

Sizes = collections.namedtuple("Sizes", "big reads durable_writes writes files")
FULL = Sizes(big=1 << 30, reads=10_000, durable_writes=2_000, writes=50_000, files=10_000)
QUICK = Sizes(big=128 << 20, reads=2_000, durable_writes=400, writes=10_000, files=2_000)

# `goal` is a share of the plain folder's figure; `before` is done untimed.
Row = collections.namedtuple("Row", "key title unit goal work cold before", defaults=(False, None))
MB = 1e6
ROWS = [
    Row("write", "write big file, fsync", "MB/s", 0.9, work.write_big),
    Row("read_cold", "read it cold", "MB/s", 0.6, work.read_big, cold=True),
    Row("read_warm", "read it warm", "MB/s", 0.8, work.read_big, before=work.check_big),
    Row("random_read_cold", "random 4 KiB reads, cold", "/s", 0.6, work.read_random, cold=True),
    Row("random_write_fdatasync", "random 4 KiB writes, fdatasync each", "/s", 0.6, work.write_random_durable),
    Row("random_write", "random 4 KiB writes, buffered", "/s", 0.5, work.write_random),
    Row("create_small", "create small files (1 to 8 KiB)", "/s", 0.75, work.create_small),
    Row("walk_cold", "walk and stat, cold", "/s", 0.6, work.walk, cold=True),
    Row("walk_warm", "walk and stat, warm", "/s", 0.6, work.walk_warm),
    Row("read_small_cold", "read small files, cold", "/s", 1.0, work.read_small, cold=True),
    Row("rename", "rename", "/s", 0.4, work.rename),
    Row("delete", "delete tree", "/s", 1.0, work.delete_tree),
]


class Findings:
    """The figures of all rounds: by row and filesystem, one a round, None where the work failed."""

    def __init__(self, names):
        self.names = names
        self.figures = {row.key: {name: [] for name in names} for row in ROWS}
        self.pipeline = []
        self.errors = []

    def add(self, row, name, figure, error=None):
        """One figure, or why there is none."""
        self.figures[row.key][name].append(figure)
        if error and (note := f"{row.title}, {name}: {error}") not in self.errors:
            self.errors.append(note)

    def of(self, row, name):
        """The figures of a row on one filesystem."""
        return self.figures[row.key].get(name, [])

    def summary(self, row):
        """A row as the JSON has it."""
        rates = {name: self.of(row, name) for name in self.names}
        ours, plain, peer = (rates.get(name, []) for name in ("bosr", "plain", "gocryptfs"))
        base = plain
        if row.key == "write" and self.pipeline:
            base = [min(pair) if None not in pair else None for pair in zip(plain, self.pipeline)]
        against = report.median(report.ratios(ours, base))
        return {
            "key": row.key,
            "title": row.title,
            "unit": row.unit,
            "median": {name: report.median(values) for name, values in rates.items()},
            "rounds": rates,
            "ours_to_plain": report.median(report.ratios(ours, plain)),
            "ours_to_gocryptfs": report.median(report.ratios(ours, peer)),
            "ours_to_goal_base": against,
            "goal": row.goal,
            "met": None if against is None else against >= row.goal,
        }


def measure_round(number, options, folder, findings):
    """One round of all rows on all filesystems."""
    pool = memoryview(os.urandom(options.sizes.big))
    with contextlib.ExitStack() as ending:
        systems = [ending.enter_context(contextlib.closing(make())) for make in makers(options, folder, number)]
        places = {system.name: work.Place(system.root, options.sizes, pool) for system in systems}
        for index, row in enumerate(ROWS):
            turn = (number + index) % len(systems)
            for system in systems[turn:] + systems[:turn]:
                places[system.name].random = random.Random(f"{number} {row.key}")
                measure(row, system, places[system.name], findings)
    if "bosr" in findings.names:
        findings.pipeline.append(pipeline_rate(options, pool))


def makers(options, folder, number):
    """What starts each filesystem in a folder of its own."""
    base = os.path.join(folder, f"round{number}")
    every = {
        "plain": lambda: Plain(os.path.join(base, "plain")),
        **{peer.name: lambda peer=peer: peer(os.path.join(base, peer.name)) for peer in installed()},
        "memory": lambda: InMemory(os.path.join(base, "memory"), options.ceiling),
        "bosr": lambda: Bosr(os.path.join(base, "bosr"), options.bosr),
    }
    return [every[name] for name in options.names]


def measure(row, system, place, findings):
    """One row on one filesystem. A failure is noted, and the run goes on."""
    try:
        if row.cold:
            os.sync()
            system.refresh()
            drop_caches()
        if row.before:
            row.before(place)
        os.sync()
        amount, seconds = row.work(place)
        figure = amount / seconds / (MB if row.unit == "MB/s" else 1)
        findings.add(row, system.name, figure)
        print(f"  {row.title}, {system.name}: {report.figure(figure)} {row.unit}", file=sys.stderr)
    except (OSError, Failed) as error:
        findings.add(row, system.name, None, str(error) or repr(error))
        print(f"  {row.title}, {system.name}: {error}", file=sys.stderr)


def pipeline_rate(options, pool):
    """MB/s of our pipeline alone, or None if it failed."""
    with workspace("/dev/shm") as folder:
        try:
            host = Host(os.path.join(folder, "host"), options.bosr, "pipeline")
            host.init()
            seconds = []
            for name, content in (("empty", b""), ("big", pool)):
                source = os.path.join(folder, name)
                with open(source, "wb") as file:
                    file.write(content)
                began = time.perf_counter()
                host.call("put", source, name)
                seconds.append(time.perf_counter() - began)
            return len(pool) / max(seconds[1] - seconds[0], 1e-9) / MB
        except (OSError, Failed) as error:
            print(f"  pipeline: {error}", file=sys.stderr)
            return None


def show(options, findings, disk):
    """Prints the table."""
    names = ["plain", *(name for name in findings.names if name not in ("plain", "bosr")), "bosr"]
    titles = {"plain": disk, "bosr": "ours", "memory": "driver alone"}
    head = ["work", *(titles.get(name, name) for name in names), "unit", f"ours/{disk}", "ours/gocryptfs", "goal", ""]
    lines = []
    for row in ROWS:
        found = findings.summary(row)
        medians = [report.figure(found["median"].get(name)) for name in names]
        peer = found["ours_to_gocryptfs"]
        words = [{None: "", True: "met", False: "missed"}[found["met"]]]
        words += ["slower than gocryptfs"] if peer is not None and peer < 1 else []
        shares = [report.figure(found["ours_to_plain"]), report.figure(peer), f"{row.goal:.2f}"]
        lines.append([row.title, *medians, row.unit, *shares, ", ".join(word for word in words if word)])
    sizes = options.sizes
    print(
        f"\n{options.rounds} rounds; big file {sizes.big >> 20} MiB, {sizes.files} small files, {sizes.reads} reads,"
        f" {sizes.durable_writes} durable and {sizes.writes} buffered writes; medians"
        f"{'; idle CPUs polling' if options.awake else ''}\n"
    )
    print(report.table(head, lines))
    pipeline = report.median(findings.pipeline)
    if pipeline:
        print(f"\nour pipeline alone: {report.figure(pipeline)} MB/s (the write's goal is 0.90 of it if below {disk})")
    for error in findings.errors:
        print(f"failed: {error}")


@contextlib.contextmanager
def idle_cpus_polling():
    """Until its end no idle CPU sleeps: the kernel's promise to whoever holds this file open."""
    with open("/dev/cpu_dma_latency", "wb", buffering=0) as promise:
        promise.write(struct.pack("=i", 0))
        yield


def parse():
    """The options."""
    every = ["plain", *(peer.name for peer in installed()), "bosr"]
    parser = argparse.ArgumentParser(prog="scripts/bench mount")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--json", metavar="FILE", help="write the findings there")
    parser.add_argument("--rounds", type=int, help="default 5, 3 with --quick")
    parser.add_argument("--dir", default="/var/tmp", help="a folder on the disk to measure (default /var/tmp)")
    parser.add_argument("--without", action="append", default=[], choices=every)
    parser.add_argument("--bosr", metavar="FILE", help="the binary to measure")
    parser.add_argument("--ceiling", metavar="FILE", help="our driver before a filesystem in memory: this program")
    parser.add_argument("--awake", action="store_true", help="idle CPUs poll instead of sleeping, for all alike")
    parser.add_argument("--growth", action="store_true", help="how cost grows, instead of the table")
    parser.add_argument("--sustained", action="store_true", help="writes all over a large file, instead of the table")
    parser.add_argument("--seconds", type=int, default=20, help="of each kind of writing (--sustained)")
    counts = [10_000, 100_000, 1_000_000]
    parser.add_argument("--counts", type=int, nargs="+", default=counts, help="of files (--growth)")
    parser.add_argument("--huge", type=int, default=10_000, help="MB of the one large file (--growth), 0 for none")
    options = parser.parse_args()
    options.sizes = QUICK if options.quick else FULL
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.names = [name for name in every if name not in options.without]
    options.names[1:1] = ["memory"] if options.ceiling else []
    if "bosr" in options.names and not options.bosr:
        parser.error("--bosr FILE is needed, or --without bosr")
    return options


def measure_growth(options):
    """What --growth finds, printed and written down."""
    disk = filesystem_of(options.dir)
    with workspace(options.dir) as folder:
        content = growth.grow(folder, options.bosr, options.counts, options.huge)
    if options.json:
        report.save(options.json, "growth", {"disk": disk, **content})
    return 0


def measure_sustained(options):
    """What --sustained finds, printed and written down."""
    disk = filesystem_of(options.dir)
    with workspace(options.dir) as folder, contextlib.ExitStack() as ending:
        systems = [ending.enter_context(contextlib.closing(make())) for make in makers(options, folder, 0)]
        found = sustained.run(systems, options.sizes, options.seconds)
    sustained.show(found)
    if options.json:
        report.save(options.json, "sustained", {"disk": disk, "seconds": options.seconds, "found": found})
    return 0


def main():
    """The table, how cost grows, or writes all over."""
    end_on_signals()
    options = parse()
    measure = measure_growth if options.growth else measure_sustained if options.sustained else measure_table
    with idle_cpus_polling() if options.awake else contextlib.nullcontext():
        return measure(options)


def measure_table(options):
    """Runs the rounds and reports; also what was found before an interruption."""
    findings = Findings(options.names)
    disk = filesystem_of(options.dir)
    code = 0
    try:
        with workspace(options.dir) as folder:
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
                measure_round(number, options, folder, findings)
    except (KeyboardInterrupt, SystemExit):
        code = 130
    except (OSError, Failed):
        traceback.print_exc()
        code = 1
    show(options, findings, disk)
    if options.json:
        rows = [findings.summary(row) for row in ROWS]
        sizes = options.sizes._asdict()
        content = {"disk": disk, "quick": options.quick, "awake": options.awake, "rounds": options.rounds}
        content |= {"sizes": sizes, "pipeline": findings.pipeline, "rows": rows, "errors": findings.errors}
        report.save(options.json, "mount", content)
    return code or (1 if findings.errors else 0)


if __name__ == "__main__":
    sys.exit(main())
