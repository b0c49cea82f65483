"""Saying what goes on, and how long it took."""

import sys
import time
from contextlib import contextmanager

_BEGIN = time.monotonic()


def say(text):
    """One line on stderr, with the seconds since the command began."""
    print(f"[{time.monotonic() - _BEGIN:6.1f} s] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text):
    """Says when a step begins and, with its time, when it has ended."""
    say(f"{text} ...")
    begin = time.monotonic()
    yield
    say(f"{text}: done in {time.monotonic() - begin:.1f} s")
