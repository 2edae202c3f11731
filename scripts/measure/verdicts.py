"""What the rows of scripts/bench sync come to: medians beside each other, and beside the goals."""

import report

MB = 1e6
SYSTEMS = ["iperf3", "rsync", "Syncthing", "ours tcp", "ours quic"]
# Shares of iperf3 that the big file must reach.
SHARES = {
    ("1gbit", "ours tcp"): 0.95,
    ("1gbit", "ours quic"): 0.90,
    ("2500mbit", "ours tcp"): 0.88,
    ("2500mbit", "ours quic"): 0.55,
}
PATH_SHARE = 0.9  # of iperf3 over 20 to 100 ms, by TCP


class Rows:
    """All rows of a run."""

    def __init__(self, rows):
        self.rows = [row for row in rows if "error" not in row]

    def values(self, key, **about):
        """The values of a key in the rows that match."""
        rows = (row for row in self.rows if all(row.get(name) == value for name, value in about.items()))
        return [row[key] for row in rows if key in row]

    def median(self, key, **about):
        """Their median, or None."""
        return report.median(self.values(key, **about))

    def side(self, key, side, **about):
        """The median of one of two sides."""
        return report.median([pair[side] for pair in self.values(key, **about)])

    def distinct(self, *keys, **about):
        """The distinct values of some keys, in the order of the rows."""
        rows = (row for row in self.rows if all(row.get(name) == value for name, value in about.items()))
        return list(dict.fromkeys(tuple(row.get(key) for key in keys) for row in rows))


def verdict(title, value, goal, holds):
    """One line of the summary; nothing where nothing was measured."""
    return [] if value is None else [{"what": title, "found": value, "goal": goal, "met": holds}]


def verdicts(rows, cores):
    """Each goal, what was found, and whether it is met."""
    found = []
    for (rate, system), share in SHARES.items():
        ours, link = (rows.median("MB_per_s", case="big", rate=rate, system=name) for name in (system, "iperf3"))
        ratio = ours / link if ours and link else None
        found += verdict(f"big file, {rate}, {system} / iperf3", ratio, f">= {share}", bool(ratio and ratio >= share))
    for rtt, loss in rows.distinct("rtt_ms", "loss", case="path"):
        about = {"case": "path", "rtt_ms": rtt, "loss": loss}
        ours, link = (rows.median("MB_per_s", system=name, **about) for name in ("ours tcp", "iperf3"))
        ratio = ours / link if ours and link else None
        title = f"{rtt} ms, {loss} % loss, ours tcp / iperf3"
        found += verdict(title, ratio, f">= {PATH_SHARE}" if rtt <= 100 else "", bool(ratio and ratio >= PATH_SHARE))
    ours, theirs = (rows.median("seconds", case="small", system=name) for name in ("ours tcp", "rsync"))
    ratio = ours / theirs if ours and theirs else None
    found += verdict("small files, ours / rsync, time", ratio, "<= 1.5", bool(ratio and ratio <= 1.5))
    about = {"case": "big", "rate": "1gbit", "system": "ours tcp"}
    if seconds := rows.median("seconds", **about):
        for side, name in enumerate(("sender", "receiver")):
            share = rows.side("cpu_seconds", side, **about) / seconds / cores
            found += verdict(f"processor at 1gbit, {name}, of all cores", share, "< 0.25", share < 0.25)
    for system, beside in rows.distinct("system", "beside", case="latency"):
        if not system.startswith("ours"):
            continue
        delays = sorted(sum(rows.values("delays", case="latency", system=system, beside=beside), []))
        for part, goal in ((0.5, 0.06), (0.99, 0.3)):
            value = report.share(delays, part) if delays else None
            title = f"close() to readable, {beside}, {system}, {part:.0%}, s"
            found += verdict(title, value, f"< {goal}", bool(delays and value < goal))
    for (system,) in rows.distinct("system", case="contact"):
        trips = rows.median("first_readable_round_trips", case="contact", system=system)
        # 2.5 for the handshake and the data, and what the slope is blurred by.
        found += verdict(f"first contact, {system}, round trips", trips, "<= 3", trips is not None and trips <= 3.05)
    wire = rows.median("wire_bytes", case="rename many", system="ours tcp")
    found += verdict("rename of very many files, bytes on the wire", wire, "< 10240", bool(wire and wire < 10240))
    return found


def tables(rows):
    """Texts for people."""
    yield speeds(rows)
    yield durations(rows)
    yield costs(rows)
    yield delays(rows)
    yield contacts(rows)


def speeds(rows):
    """MB/s of the big file at each rate and over each path."""
    lines = []
    for (rate,) in rows.distinct("rate", case="big"):
        figures = [rows.median("MB_per_s", case="big", rate=rate, system=name) for name in SYSTEMS]
        lines.append([f"big file, {rate}", *map(report.figure, figures)])
    for rtt, loss in rows.distinct("rtt_ms", "loss", case="path"):
        about = {"case": "path", "rtt_ms": rtt, "loss": loss}
        figures = [rows.median("MB_per_s", system=name, **about) for name in SYSTEMS]
        lines.append([f"1gbit, {rtt} ms, {loss} % loss", *map(report.figure, figures)])
    return report.table(["MB/s", *SYSTEMS], lines) if lines else ""


def durations(rows):
    """Seconds and bytes on the wire of the other cases."""
    titles = {
        "changed": "big file, 1 % changed",
        "small": "small files",
        "rename": "their folder renamed",
        "many": "very many tiny files",
        "rename many": "their folder renamed",
    }
    lines = []
    for case, title in titles.items():
        cells = []
        for name in SYSTEMS[1:]:
            seconds = rows.median("seconds", case=case, system=name)
            wire = rows.median("wire_bytes", case=case, system=name)
            amount = "" if wire is None else f" {wire / MB:.2f} MB" if wire >= 1e5 else f" {wire / 1e3:.1f} kB"
            cells.append(report.figure(seconds) + amount)
        if any(cell != "-" for cell in cells):
            lines.append([title, *cells])
    return report.table(["seconds, bytes on the wire", *SYSTEMS[1:]], lines) if lines else ""


def costs(rows):
    """Processor seconds and peak memory of either side during the big file."""
    lines = []
    for rate, name in rows.distinct("rate", "system", case="big"):
        about = {"case": "big", "rate": rate, "system": name}
        if rows.values("cpu_seconds", **about):
            cpu = [report.figure(rows.side("cpu_seconds", side, **about)) for side in (0, 1)]
            peaks = [rows.side("peak_bytes", side, **about) for side in (0, 1)]
            lines.append([f"{rate}, {name}", *cpu, *("-" if peak is None else f"{peak / MB:.0f}" for peak in peaks)])
    head = ["big file", "sender CPU s", "receiver CPU s", "sender MB", "receiver MB"]
    return report.table(head, lines) if lines else ""


def delays(rows):
    """The distribution of close() to readable."""
    lines = []
    for system, beside in rows.distinct("system", "beside", case="latency"):
        values = sorted(sum(rows.values("delays", case="latency", system=system, beside=beside), []))
        if values:
            marks = [report.share(values, part) * 1000 for part in (0.5, 0.9, 0.99)] + [values[-1] * 1000]
            lines.append([f"{system}, {beside}", str(len(values)), *map(report.figure, marks)])
    head = ["close() to readable, ms", "edits", "median", "90 %", "99 %", "longest"]
    return report.table(head, lines) if lines else ""


def contacts(rows):
    """Round trips of a first contact."""
    keys = ["first_readable", "first_done", "standing_readable"]
    lines = [
        [system, *(report.figure(rows.median(f"{key}_round_trips", case="contact", system=system)) for key in keys)]
        for (system,) in rows.distinct("system", case="contact")
    ]
    head = ["round trips at 100 ms", "first contact, readable", "sync ended", "standing, readable"]
    return report.table(head, lines) if lines else ""
