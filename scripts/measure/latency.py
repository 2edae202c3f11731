"""How long after close() in one mount a file can be read in the other, with `sync --follow` beside both.

Edits in turn make a new file and write an old one anew. Between two edits lies a random pause, so that none
rides along with the one before. The watcher opens and reads the file in the other mount about every
millisecond (`look`) until it holds the new bytes; both clocks are one, since both mounts are on this machine.
"""

import os
import random
import time

from process import until

PAUSE = (0.05, 0.15)  # seconds; longer than an offer is held back
DEADLINE = 20  # seconds until an edit counts as lost


def edits(here, there, name, count, going=lambda: True, deadline=DEADLINE, look=0.001):
    """Sorted seconds of up to `count` edits in the folder `here`, as the folder `there` shows them."""
    chance, delays = random.Random(name), []
    for index in range(count):
        if not going():
            break
        new = index % 2 == 0
        file = f"{name} {index if new else 0}.txt"
        text = f"{name}: edit {index}\n".encode()
        delays.append(edit(os.path.join(here, file), os.path.join(there, file), text, deadline, look))
        time.sleep(chance.uniform(*PAUSE))
    return sorted(delays)


def edit(mine, theirs, text, deadline, look):
    """Writes a file and gives the seconds from its close until the other side reads it."""
    with open(mine, "wb") as file:
        file.write(text)
    return until(f"{os.path.basename(mine)} on the other side", lambda: read(theirs) == text, deadline, look)


def read(path):
    """The bytes of a file, or None while there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return None


def meet(here, there):
    """One edit that may take longer: until both sides have found each other."""
    mine, theirs = os.path.join(here, "first.txt"), os.path.join(there, "first.txt")
    with open(mine, "wb") as file:
        file.write(b"first\n")
    until("the first change on the other side", lambda: read(theirs) == b"first\n", 60, 0.01)
