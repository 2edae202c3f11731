"""What is measured: each case takes a bench (sync.py), and notes rows.

A row says which case, at which rate and over which path, by which system, in which round, and what was found.
"""

import os
import shutil
import time

import data
import latency
from peers import Rsync, iperf
from process import Failed, until
from syncthing import Syncthing

MB = 1e6
CHANGED = 0.01


def rates(bench):
    """One big file at each rate; at 1 Gbit/s also small files, a file in which a little changed, and a rename."""
    for rate in bench.sizes.rates:
        with bench.network(rate) as link:
            full = rate == "1gbit"
            for number in bench.rounds():
                by_iperf(bench, link, rate, number)
                by_rsync(bench, link, rate, number, full)
                for transport in bench.transports:
                    by_ours(bench, link, rate, number, transport, full)
                if "syncthing" in bench.systems:
                    by_syncthing(bench, link, rate, number, full)


def by_iperf(bench, link, rate, number):
    """What TCP carries."""
    with bench.row(case="big", rate=rate, system="iperf3", round=number) as row:
        row |= iperf(link, bench.folder, ["-t", str(bench.sizes.iperf_seconds)])


def steps(bench, rate, number, system, full, source, bring):
    """The cases one after the other: the data is made in the folder `source`, and `bring(sub)` gives a row."""
    sizes = bench.sizes
    size = sizes.big if full or rate != "100mbit" else sizes.big // 4
    about = {"rate": rate, "system": system, "round": number}
    big, small = os.path.join(source, f"big{number}"), os.path.join(source, f"small{number}")
    with bench.row(case="big", bytes=size, **about) as row:
        data.big(big, size)
        row |= bring(os.path.basename(big))
        row["MB_per_s"] = size / row["seconds"] / MB
    if not full:
        return
    with bench.row(case="changed", bytes=int(size * CHANGED), **about) as row:
        data.change(os.path.join(big, "file"), CHANGED)
        row |= bring(os.path.basename(big))
    with bench.row(case="small", files=sizes.files, **about) as row:
        data.small(small, sizes.files)
        row |= bring(os.path.basename(small))
    with bench.row(case="rename", files=sizes.files, **about) as row:
        os.rename(small, small + " renamed")
        row |= bring(os.path.basename(small) + " renamed")


def by_rsync(bench, link, rate, number, full):
    """rsync from its daemon."""
    if "rsync" not in bench.systems:
        return
    source = bench.make_folder("source")
    rsync = Rsync(link, bench.folder, source)
    try:
        steps(bench, rate, number, "rsync", full, source, lambda _: rsync.fetch())
    finally:
        rsync.close()
        shutil.rmtree(rsync.target, ignore_errors=True)
        shutil.rmtree(source)


def by_ours(bench, link, rate, number, transport, full):
    """Ours; and once, the rename of a folder with very many files below."""
    with bench.devices(link, transport) as devices:
        source = devices.hosts[0].mountpoint
        steps(bench, rate, number, f"ours {transport}", full, source, devices.bring)
        if not full or number or transport != bench.transports[0]:
            return
        many = os.path.join(source, "many")
        about = {"rate": rate, "system": f"ours {transport}", "round": number, "files": bench.sizes.many}
        with bench.row(case="many", **about) as row:
            data.small(many, bench.sizes.many, sizes=(10, 20))
            row |= devices.bring("many")
        with bench.row(case="rename many", **about) as row:
            os.rename(many, many + " renamed")
            row |= devices.bring("many renamed")


def by_syncthing(bench, link, rate, number, full):
    """Syncthing."""
    folder = bench.make_folder("syncthing")
    try:
        syncthing = Syncthing(link, folder)
    except (Failed, OSError) as error:
        bench.failed(f"Syncthing: {error}")
        return
    try:
        a, b = syncthing.devices

        def bring(sub):
            row = syncthing.bring()
            if other := data.same_trees(os.path.join(a.shared, sub), os.path.join(b.shared, sub)):
                raise Failed(f"{other}: other bytes on the other side")
            return row

        steps(bench, rate, number, "Syncthing", full, a.shared, bring)
        if full and not number:
            with bench.row(case="latency", rate=rate, system="Syncthing", beside="idle", round=number) as row:
                count = bench.sizes.peer_edits
                row["delays"] = latency.edits(a.shared, b.shared, "idle", count, deadline=90, look=0.02)
    finally:
        syncthing.close()
        shutil.rmtree(folder)


def edits(bench):
    """The delays of edits while both ends follow: on an idle link, and during the transfer of a big file."""
    with bench.network("1gbit") as link:
        for transport in bench.transports:
            about = {"case": "latency", "rate": "1gbit", "system": f"ours {transport}", "round": 0}
            with bench.devices(link, transport) as devices:
                here, there = (host.mountpoint for host in devices.hosts)
                devices.follow()
                latency.meet(here, there)
                with bench.row(beside="idle", **about) as row:
                    row["delays"] = latency.edits(here, there, "idle", bench.sizes.edits)
                with bench.row(beside="bulk", **about) as row:
                    row["delays"] = beside_bulk(bench, link, here, there)


# Each stays in both stores, which are in memory.
BULKS = 4


def beside_bulk(bench, link, here, there):
    """The delays while big files cross, one after the other, until there are edits enough."""
    delays, wanted = [], bench.sizes.edits
    for number in range(BULKS):
        bulk, before = os.path.join(bench.folder, "bulk"), link.sent(0)
        data.write_random(bulk, bench.sizes.big)
        shutil.copyfile(bulk, os.path.join(here, f"bulk{number}"))
        os.remove(bulk)
        until("the start of the transfer", lambda: link.sent(0) - before > 8 * MB, 60)

        def going():
            return link.sent(0) - before < 0.9 * bench.sizes.big

        delays += latency.edits(here, there, f"bulk{number}", wanted - len(delays), going)
        if len(delays) >= wanted:
            break
        until("the end of the transfer", lambda: os.path.getsize(os.path.join(there, f"bulk{number}")), 120, 0.1)
    return sorted(delays)


def paths(bench):
    """One file over long and lossy paths at 1 Gbit/s. `contact_seconds` is a sync with nothing to do."""
    for rtt in bench.sizes.rtts:
        for loss in bench.sizes.losses:
            with bench.network("1gbit") as link:
                link.say(f"set rtt={rtt}ms loss={loss}%")
                about = {"case": "path", "rate": "1gbit", "rtt_ms": rtt, "loss": loss}
                for number in range(bench.sizes.path_rounds):
                    over_path(bench, link, about | {"round": number})


def over_path(bench, link, about):
    """One round of a path."""
    size = bench.sizes.path
    with bench.row(system="iperf3", bytes=size, **about) as row:
        row |= iperf(link, bench.folder, ["-n", str(size)])
    for transport in bench.transports:
        # QUIC's cubic crawls where there is loss, the more the worse: less data tells as much.
        amount = size // max(1, round(160 * about["loss"])) if transport == "quic" else size
        with bench.row(system=f"ours {transport}", bytes=amount, **about) as row:
            with bench.devices(link, transport) as devices:
                devices.settle()
                row["contact_seconds"] = devices.sync()["seconds"]
                data.big(os.path.join(devices.hosts[0].mountpoint, "path"), amount)
                row |= devices.bring("path")
            row["MB_per_s"] = amount / max(row["seconds"] - row["contact_seconds"], 1e-3) / MB
            row["MB_per_s_with_contact"] = amount / row["seconds"] / MB


def contact(bench):
    """Round trips, as the slope of a time over the delay: from 0 to 100 ms each one more takes 100 ms more.

    First contact: one small new file on the device that dials, which has no connection yet, until it can be read on
    the other, and until `bosr sync` ends. Standing connection: an edit while both follow.
    """
    times = {}
    for rtt in (0, 100):
        with bench.network("1gbit") as link:
            if rtt:
                link.say(f"set rtt={rtt}ms")
            for transport in bench.transports:
                times[transport, rtt] = contact_times(bench, link, transport)
    for transport in bench.transports:
        with bench.row(case="contact", system=f"ours {transport}", rtt_ms=100, round=0) as row:
            pairs = zip(CONTACTS, times[transport, 0], times[transport, 100])
            row |= {f"{name}_round_trips": (far - near) / 0.1 for name, near, far in pairs}
            row["seconds"] = {rtt: times[transport, rtt] for rtt in (0, 100)}


CONTACTS = ("first_readable", "first_done", "standing_readable")


def contact_times(bench, link, transport):
    """The medians of the three times at this delay."""
    readable, done = [], []
    with bench.devices(link, transport) as devices:
        b = devices.hosts[1]
        here, there = b.mountpoint, devices.hosts[0].mountpoint
        for number in range(bench.sizes.contacts):
            name, text = f"contact {number}", os.urandom(1024)
            with open(os.path.join(here, name), "wb") as file:
                file.write(text)
            devices.settle()
            began = time.perf_counter()
            syncing = b.start("sync.log", "sync", "-q")
            until(name, lambda: latency.read(os.path.join(there, name)) == text, 30, 0.001)
            readable.append(time.perf_counter() - began)
            syncing.wait(60)
            done.append(time.perf_counter() - began)
        devices.follow()
        latency.meet(here, there)
        standing = latency.edits(here, there, "standing", bench.sizes.contacts * 3)
    return [sorted(values)[len(values) // 2] for values in (readable, done, standing)]
