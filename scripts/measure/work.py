"""The work that is timed on each filesystem. Each function gives (amount done, seconds).

All data is random, hence incompressible, and new in every round, so that nothing is found stored already; the
filesystems of one round get the same bytes at the same offsets. What a function needs besides is made ready
before the clock starts. The loops are Python's: on ext4 about half of a warm stat or a small buffered write is
the interpreter, which lifts the ratios of these rows a little for every server alike.
"""

import os
import random
import time

BLOCK = 4096
SLICE = 1 << 20


class Place:
    """One filesystem in one round: where its files go and what goes into them."""

    def __init__(self, root, sizes, pool):
        self.root, self.sizes, self.pool = root, sizes, pool
        self.random = random.Random()
        self.big = os.path.join(root, "big")
        self.tree = os.path.join(root, "tree")

    def blocks(self, count):
        """Distinct random block offsets of the big file."""
        return [block * BLOCK for block in self.random.sample(range(self.sizes.big // BLOCK), count)]

    def fresh_block(self, index):
        """4 KiB of the pool that no other block of the big file holds: shifted by an odd number of bytes."""
        start = (index * BLOCK + 1237) % (len(self.pool) - BLOCK)
        return self.pool[start : start + BLOCK]


def write_big(place):
    """One file, 1 MiB a write, then fsync."""
    # Without a copy: what Python takes of the processor would be taken from the server.
    pool = memoryview(place.pool)
    began = time.perf_counter()
    file = os.open(place.big, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    for start in range(0, place.sizes.big, SLICE):
        _all(os.write(file, pool[start : start + SLICE]), SLICE)
    os.fsync(file)
    os.close(file)
    return place.sizes.big, time.perf_counter() - began


def read_big(place):
    """The file from begin to end, 1 MiB a read."""
    buffer = bytearray(SLICE)
    began = time.perf_counter()
    file = os.open(place.big, os.O_RDONLY)
    for start in range(0, place.sizes.big, SLICE):
        _all(os.preadv(file, [buffer], start), SLICE)
    os.close(file)
    return place.sizes.big, time.perf_counter() - began


def check_big(place):
    """Reads the file, which must hold what was written: this also brings it into the caches."""
    with open(place.big, "rb", buffering=0) as file:
        for start in range(0, place.sizes.big, SLICE):
            if file.read(SLICE) != bytes(place.pool[start : start + SLICE]):
                raise OSError(f"{place.big}: other bytes than were written near {start}")


def read_random(place):
    """4 KiB reads at random offsets of the file."""
    offsets, buffer = place.blocks(place.sizes.reads), bytearray(BLOCK)
    file = os.open(place.big, os.O_RDONLY)
    began = time.perf_counter()
    for offset in offsets:
        _all(os.preadv(file, [buffer], offset), BLOCK)
    seconds = time.perf_counter() - began
    os.close(file)
    return len(offsets), seconds


def write_random_durable(place):
    """4 KiB writes at random offsets of the file, fdatasync after each."""
    offsets = place.blocks(place.sizes.durable_writes)
    file = os.open(place.big, os.O_WRONLY)
    began = time.perf_counter()
    for index, offset in enumerate(offsets):
        _all(os.pwrite(file, place.fresh_block(index), offset), BLOCK)
        os.fdatasync(file)
    seconds = time.perf_counter() - began
    os.close(file)
    return len(offsets), seconds


def write_random(place):
    """4 KiB writes at random offsets of the file; making them durable is not timed."""
    offsets = place.blocks(place.sizes.writes)
    first = place.sizes.durable_writes
    file = os.open(place.big, os.O_WRONLY)
    began = time.perf_counter()
    for index, offset in enumerate(offsets, first):
        _all(os.pwrite(file, place.fresh_block(index), offset), BLOCK)
    seconds = time.perf_counter() - began
    os.fsync(file)
    os.close(file)
    return len(offsets), seconds


def small_files(place):
    """Paths, offsets into the pool and lengths (1 to 8 KiB) of the small files, a hundred to a folder."""
    for index in range(place.sizes.files):
        length = place.random.randint(1024, 8192)
        start = place.random.randrange(len(place.pool) - length)
        yield os.path.join(place.tree, f"{index // 100:03}", f"file {index:05}.bin"), start, length


def create_small(place):
    """The tree of small files: create, write, close."""
    files = [(path, place.pool[start : start + length]) for path, start, length in small_files(place)]
    folders = sorted({os.path.dirname(path) for path, _ in files})
    began = time.perf_counter()
    os.mkdir(place.tree)
    for folder in folders:
        os.mkdir(folder)
    for path, data in files:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        _all(os.write(file, data), len(data))
        os.close(file)
    return len(files), time.perf_counter() - began


def walk(place):
    """Lists every folder of the tree and stats every entry."""
    count, folders = 0, [place.tree]
    began = time.perf_counter()
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return count, time.perf_counter() - began


def walk_warm(place):
    """The same when a walk has just been made, five times over."""
    walk(place)
    walks = [walk(place) for _ in range(5)]
    return sum(count for count, _ in walks), sum(seconds for _, seconds in walks)


def read_small(place):
    """Opens, reads and closes every small file, folder by folder."""
    count = 0
    began = time.perf_counter()
    for folder in sorted(os.listdir(place.tree)):
        folder = os.path.join(place.tree, folder)
        for name in sorted(os.listdir(folder)):
            file = os.open(f"{folder}/{name}", os.O_RDONLY)
            while os.read(file, 65536):
                pass
            os.close(file)
            count += 1
    return count, time.perf_counter() - began


def rename(place):
    """Gives every small file another name in its folder."""
    folders = [os.path.join(place.tree, folder) for folder in sorted(os.listdir(place.tree))]
    paths = [f"{folder}/{name}" for folder in folders for name in sorted(os.listdir(folder))]
    began = time.perf_counter()
    for path in paths:
        os.rename(path, path + ".renamed")
    return len(paths), time.perf_counter() - began


def delete_tree(place):
    """Removes the tree as `rm -r` does."""
    began = time.perf_counter()
    count = _delete(place.tree)
    return count, time.perf_counter() - began


def _delete(folder):
    with os.scandir(folder) as entries:
        inside = list(entries)
    count = 1
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            count += _delete(entry.path)
        else:
            os.unlink(entry.path)
            count += 1
    os.rmdir(folder)
    return count


def _all(done, wanted):
    if done != wanted:
        raise OSError(f"{done} bytes instead of {wanted}")
