"""scripts/bench sync: two devices of a vault over a shaped link, beside iperf3, rsync and Syncthing.

How: two hosts of scripts/netlab, each end shaped by `tc tbf`, with the relay's delay and loss where a path is to
have them; all stores, sources and targets on a RAM disk, so that no disk decides. What is timed for each system
stands at the head of devices.py, peers.py and syncthing.py; the cases are those of cases.py:

  rates    one big file at 100 Mbit/s (a quarter of it), 1 and 2.5 Gbit/s; at 1 Gbit/s also the file with 1 %
           changed, many small files, their folder renamed, and a folder renamed with very many files below
  latency  close() in one mount to readable in the other, idle and during a transfer
  paths    one file at 1 Gbit/s over delay and loss; rates there are without the time of a sync that has nothing
           to do, as iperf3's are without its handshake
  contact  round trips of a first contact and of an edit on a standing connection, at 100 ms

Processor time and memory are those of the processes that serve the mounts (the daemons, the client for rsync).
"""

import argparse
import collections
import contextlib
import os
import shutil
import sys
import time
import traceback

import cases
import devices
import report
import verdicts
from link import Link
from process import Failed, end_on_signals
from workspace import workspace

Sizes = collections.namedtuple(
    "Sizes", "big files many edits peer_edits contacts rates rtts losses path path_rounds iperf_seconds"
)
FULL = Sizes(
    big=1 << 30,
    files=10_000,
    many=100_000,
    edits=200,
    peer_edits=10,
    contacts=5,
    rates=("100mbit", "1gbit", "2500mbit"),
    rtts=(20, 50, 100, 200),
    losses=(0, 0.1, 1),
    path=512 << 20,
    path_rounds=5,
    iperf_seconds=5,
)
QUICK = FULL._replace(
    big=256 << 20,
    files=2_000,
    many=20_000,
    edits=40,
    peer_edits=3,
    contacts=3,
    rates=("1gbit", "2500mbit"),
    rtts=(20, 100),
    losses=(0, 1),
    path=128 << 20,
    path_rounds=1,
    iperf_seconds=3,
)
CASES = {"rates": cases.rates, "latency": cases.edits, "paths": cases.paths, "contact": cases.contact}


class Bench:
    """One run: what is to be measured, where, and the rows so far."""

    def __init__(self, options, folder):
        self.options, self.folder, self.sizes = options, folder, options.sizes
        self.systems = [name for name in ("rsync", "syncthing", "bosr") if name not in options.without]
        self.transports = options.transports if "bosr" in self.systems else []
        self.rows, self.errors, self.made = [], [], 0

    def rounds(self):
        """The numbers of the rounds."""
        return range(self.options.rounds)

    def make_folder(self, name):
        """A new folder."""
        self.made += 1
        folder = os.path.join(self.folder, f"{name}{self.made}")
        os.mkdir(folder)
        return folder

    @contextlib.contextmanager
    def network(self, rate):
        """A network for a case."""
        with contextlib.closing(Link(rate)) as link:
            yield link

    @contextlib.contextmanager
    def devices(self, link, transport):
        """A vault with two devices, gone with all its data afterwards."""
        folder = self.make_folder("vault")
        try:
            with devices.Devices(link, os.path.join(folder, "of"), self.options.bosr, transport) as both:
                yield both
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def row(self, **about):
        """A row to be filled; what goes wrong is noted in it."""
        row = dict(about)
        try:
            yield row
        except (OSError, Failed, KeyError, ValueError) as error:
            row["error"] = str(error)
            self.failed(f"{describe(about)}: {error}")
        self.rows.append(row)
        shown = [key for key in ("MB_per_s", "seconds", "wire_bytes") if number(row, key)]
        figures = [f"{key} {report.figure(row[key])}" for key in shown]
        print(f"  {describe(about)}: {', '.join(figures)}", file=sys.stderr)

    def failed(self, what):
        """Notes an error."""
        self.errors.append(what)
        print(f"  {what}", file=sys.stderr)


def number(row, key):
    """Whether a row has a number there."""
    return isinstance(row.get(key), (int, float))


def describe(about):
    """A row's name."""
    path = f"{about['rtt_ms']} ms {about.get('loss', 0)} %" if "rtt_ms" in about else about.get("rate", "")
    return " ".join(str(word) for word in (about["case"], path, about.get("beside", ""), about["system"]) if word)


def parse():
    """The options."""
    parser = argparse.ArgumentParser(prog="scripts/bench sync")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer cases and rounds")
    parser.add_argument("--json", metavar="FILE", help="write all rows there")
    parser.add_argument("--rounds", type=int, help="of the rates; default 3, 1 with --quick")
    parser.add_argument("--only", action="append", choices=list(CASES), help="a case; all if none is named")
    parser.add_argument("--dir", default="/dev/shm", help="a folder on a RAM disk (default /dev/shm)")
    parser.add_argument("--without", action="append", default=[], choices=["bosr", "rsync", "syncthing"])
    parser.add_argument("--transport", choices=["tcp", "quic"], help="both where both work, if none is named")
    parser.add_argument("--bosr", metavar="FILE", help="the binary to measure")
    options = parser.parse_args()
    options.sizes = QUICK if options.quick else FULL
    options.rounds = options.rounds or (1 if options.quick else 3)
    if "bosr" not in options.without and not options.bosr:
        parser.error("--bosr FILE is needed, or --without bosr")
    return options


def find_transports(options, folder):
    """Those that carry a sync here when the other protocol is shut out."""
    wanted = [options.transport] if options.transport else ["tcp", "quic"]
    found = []
    with contextlib.closing(Link("1gbit")) as link:
        for transport in wanted:
            if devices.works(link, os.path.join(folder, f"try-{transport}"), options.bosr, transport):
                found.append(transport)
            else:
                print(f"{transport} carries no sync here: left out", file=sys.stderr)
    return found


def measure(options, holder):
    """The whole run; the bench is left in `holder` from its begin on."""
    with workspace(options.dir) as folder:
        options.transports = [] if "bosr" in options.without else find_transports(options, folder)
        bench = Bench(options, folder)
        holder.append(bench)
        for name in options.only or CASES:
            print(f"{name}, {time.strftime('%H:%M:%S')}", file=sys.stderr)
            CASES[name](bench)


def tell(options, bench):
    """Prints the tables and the goals, and writes the JSON."""
    rows = verdicts.Rows(bench.rows)
    found = verdicts.verdicts(rows, len(os.sched_getaffinity(0)))
    for text in verdicts.tables(rows):
        print(f"\n{text}" if text else "", end="\n" if text else "")

    def line(one):
        mark = ("met" if one["met"] else "missed") if one["goal"] else ""
        return [one["what"], report.figure(one["found"]), one["goal"], mark]

    lines = [line(one) for one in found]
    print("\n" + report.table(["goal", "found", "", ""], lines) if lines else "")
    for error in bench.errors:
        print(f"failed: {error}")
    if options.json:
        about = {"quick": options.quick, "rounds": options.rounds, "sizes": bench.sizes._asdict()}
        content = about | {"transports": bench.transports, "goals": found, "rows": bench.rows, "errors": bench.errors}
        report.save(options.json, "sync", content, version=2)


def main():
    """Runs and reports; also what was found before an interruption."""
    end_on_signals()
    options, holder, code = parse(), [], 0
    try:
        measure(options, holder)
    except (KeyboardInterrupt, SystemExit):
        code = 130
    except (OSError, Failed) as error:
        code = 1
        print(f"failed: {error}")
        traceback.print_exc()
    for bench in holder:
        tell(options, bench)
        code = code or (1 if bench.errors else 0)
    return code


if __name__ == "__main__":
    sys.exit(main())
