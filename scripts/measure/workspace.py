"""A temporary folder for one run, removed at its end together with whatever is still mounted in it."""

import contextlib
import os
import shutil
import subprocess
import tempfile


@contextlib.contextmanager
def workspace(parent):
    """Gives a fresh folder in `parent`. At the end nothing is mounted in it and it is gone."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="bosr-bench-", dir=parent))
    try:
        yield folder
    finally:
        for place in reversed(mounts_below(folder)):
            subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL, check=False)
        if not mounts_below(folder):  # never delete through a mount
            shutil.rmtree(folder, ignore_errors=True)


def mounts_below(folder):
    """The mount points in a folder, outer ones first."""
    with open("/proc/self/mountinfo") as table:
        places = (line.split()[4].encode().decode("unicode_escape") for line in table)
        return sorted(place for place in places if place.startswith(folder + "/"))


def mounted(place):
    """Whether a filesystem is mounted exactly there. Does not touch it."""
    return place in mounts_below(os.path.dirname(place))


def filesystem_of(folder):
    """The type of the filesystem that a folder is on."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo") as table:
        for line in table:
            fields = line.split()
            if fields[2] == wanted:
                return fields[fields.index("-") + 1]
    return "unknown"
