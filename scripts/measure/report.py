"""What a run found: medians, a table for people, JSON for programs, and the machine it was found on."""

import json
import os
import platform
import statistics
import subprocess
import time


def median(values):
    """The median of those values that exist, or None."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def ratios(ours, theirs):
    """Round by round, ours divided by theirs, where both exist."""
    return [a / b if a is not None and b else None for a, b in zip(ours, theirs)]


def share(values, part):
    """The value below which `part` (0 to 1) of sorted `values` lie."""
    return values[min(len(values) - 1, int(part * len(values)))]


def figure(value):
    """A number with about three digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    """Lines of a table: the first column to the left, the others to the right."""
    grid = [head, *rows]
    widths = [max(len(row[column]) for row in grid) for column in range(len(head))]
    lines = []
    for row in grid:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def machine():
    """Where and of what this was measured."""
    return {
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": git_commit(),
    }


def git_commit():
    """The commit measured, marked if files differ from it."""
    words = ["git", "-C", os.path.dirname(__file__), "describe", "--always", "--dirty"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def save(path, kind, content, version=1):
    """Writes the findings as JSON. The schema of a version only grows."""
    with open(path, "w") as file:
        json.dump({"version": version, "kind": kind, "machine": machine(), **content}, file, indent=1)
        file.write("\n")
