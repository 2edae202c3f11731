"""Processor seconds and peak memory of running processes, together with all that they started."""

import os
import time

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid):
    """A process and its living descendants."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            children.setdefault(int(stat(name)[1]), []).append(int(name))
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def stat(pid):
    """The fields of /proc/PID/stat after the name: the state is the first."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


def cpu_seconds(pid):
    """User and system time of a process, its living descendants and those it has waited for."""
    total = 0
    for one in family(pid):
        try:
            total += sum(map(int, stat(one)[11:15]))
        except (OSError, IndexError):
            continue
    return total / TICKS


def forget_peak(pid):
    """Lets the peak of memory begin anew."""
    for one in family(pid):
        try:
            with open(f"/proc/{one}/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            continue


def peak_bytes(pid):
    """The greatest resident memory since, summed over the family."""
    total = 0
    for one in family(pid):
        try:
            with open(f"/proc/{one}/status") as file:
                peak = next(line for line in file if line.startswith("VmHWM"))
            total += int(peak.split()[1]) * 1024
        except (OSError, StopIteration):
            continue
    return total


class Watch:
    """Time, processor seconds and peak memory of the two sides from now on; sides are process ids."""

    def __init__(self, pids):
        self.pids = pids
        for pid in pids:
            forget_peak(pid)
        self.before = [cpu_seconds(pid) for pid in pids]
        self.began = time.perf_counter()

    def stop(self):
        """What it came to, as a row has it."""
        seconds = time.perf_counter() - self.began
        cpu = [cpu_seconds(pid) - before for pid, before in zip(self.pids, self.before)]
        return {"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": [peak_bytes(pid) for pid in self.pids]}
