"""Programs that the measurements run: to their end, or beside them until stopped.

Every process is stopped by the id it was started with, never by name.
"""

import contextlib
import os
import signal
import subprocess
import time


class Failed(Exception):
    """A program or a condition did not come out as it must."""


def run(words, env=None, timeout=600):
    """Runs a program that must work, and gives what it printed."""
    try:
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(words)}: not within {timeout} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Failed(f"{' '.join(words)}: exit {done.returncode}: {said[-500:]}")
    return done.stdout.decode(errors="replace")


def until(what, ready, seconds, pause=0.002):
    """Waits until `ready()` holds, and gives the seconds it took; fails after `seconds`."""
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > seconds:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(pause)
    return time.monotonic() - began


class Running:
    """A program that runs beside the measurement; its output goes to the file `log`, its input is `said`."""

    def __init__(self, words, log, env=None, said=subprocess.DEVNULL):
        self.words, self.log = words, log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                words, env=env, stdin=said, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def pid(self):
        """Its id."""
        return self.process.pid

    def alive(self):
        """Fails with what it said if it has ended."""
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as said:
                tail = said.read().strip()[-500:]
            raise Failed(f"{' '.join(self.words)}: ended with {self.process.returncode}: {tail}")
        return True

    def wait(self, seconds):
        """Waits for its end."""
        self.process.wait(seconds)

    def stop(self, ask=signal.SIGTERM, seconds=20):
        """Asks it to end, and ends it if it does not. Harmless when it has ended."""
        if self.process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(ask)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def end_on_signals():
    """Turns SIGTERM and SIGHUP into an exit that cleans up, as Ctrl-C does."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
