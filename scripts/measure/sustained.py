"""scripts/bench mount --sustained: writes at random places of a large file, for longer than any cache hides what they cost.

Each filesystem in turn, for so many seconds (--seconds) buffered and then with fdatasync after each: the rate, the wait of one
in a hundred, the longest, and how much of the time went by in waits of more than a tenth of a second.
"""

import os
import random
import sys
import time

import report
import work

STALL = 0.1  # seconds: a wait that a person notices


def run(systems, sizes, seconds):
    """Measures each of the started `systems`; prints each finding as it comes."""
    pool = memoryview(os.urandom(sizes.big))
    found = []
    for system in systems:
        place = work.Place(system.root, sizes, pool)
        work.write_big(place)
        for durable in (False, True):
            # The same places for all.
            place.random = random.Random(durable)
            one = {"system": system.name, "durable": durable, **write(place, seconds, durable)}
            print(f"  {one}", file=sys.stderr)
            found.append(one)
    return found


def write(place, seconds, durable):
    """One kind of writing."""
    blocks, waits = place.sizes.big // work.BLOCK, []
    file = os.open(place.big, os.O_WRONLY)
    began = now = time.perf_counter()
    while now - began < seconds:
        data, offset = place.fresh_block(len(waits) % blocks), place.random.randrange(blocks) * work.BLOCK
        before = time.perf_counter()
        os.pwrite(file, data, offset)
        if durable:
            os.fdatasync(file)
        now = time.perf_counter()
        waits.append(now - before)
    os.fsync(file)
    os.close(file)
    waits.sort()
    return {
        "per_s": len(waits) / (now - began),
        "hundredth_us": report.share(waits, 0.99) * 1e6,
        "longest_ms": waits[-1] * 1e3,
        "stalled": sum(wait for wait in waits if wait > STALL) / (now - began),
    }


def show(found):
    """Prints the table."""
    lines = [
        [
            f"{one['system']}, {'fdatasync each' if one['durable'] else 'buffered'}",
            *(report.figure(one[key]) for key in ("per_s", "hundredth_us", "longest_ms", "stalled")),
        ]
        for one in found
    ]
    print(report.table(["random 4 KiB writes", "/s", "99 % µs", "longest ms", "share stalled"], lines))
