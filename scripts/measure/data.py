"""What is synced: random bytes, hence incompressible, and new each time, so that nothing is found stored already."""

import os
import random

PIECES = 100  # into which a changed share of a file is scattered


def write_random(path, length):
    """A new file of random bytes."""
    with open(path, "wb") as file:
        for start in range(0, length, 1 << 20):
            file.write(os.urandom(min(1 << 20, length - start)))


def big(folder, size):
    """One file in a new folder."""
    os.mkdir(folder)
    write_random(os.path.join(folder, "file"), size)


def small(folder, count, sizes=(1024, 8192)):
    """Many small files, a hundred to a folder."""
    chance = random.Random(os.urandom(16))
    for index in range(count):
        place = os.path.join(folder, f"{index // 100:04}")
        if index % 100 == 0:
            os.makedirs(place)
        write_random(os.path.join(place, f"file {index:06}.bin"), chance.randint(*sizes))


def change(path, share):
    """Writes a share of a file anew, in place, at scattered places."""
    size = os.path.getsize(path)
    piece = int(size * share / PIECES)
    with open(path, "r+b", buffering=0) as file:
        for start in random.Random(size).sample(range(0, size - piece, 4096), PIECES):
            file.seek(start)
            file.write(os.urandom(piece))


def same_trees(mine, theirs):
    """The first path below `mine` that does not hold the same in `theirs`, or None."""
    for folder, _, names in os.walk(mine):
        for name in names:
            path = os.path.join(folder, name)
            if not same_bytes(path, os.path.join(theirs, os.path.relpath(path, mine))):
                return path
    return None


def same_bytes(mine, theirs):
    """Whether two files hold the same; a missing one does not."""
    try:
        with open(mine, "rb") as left, open(theirs, "rb") as right:
            while True:
                piece = left.read(1 << 20)
                if piece != right.read(1 << 20):
                    return False
                if not piece:
                    return True
    except FileNotFoundError:
        return False
