"""The output of the tests: one line per check, the duration of each stage, and the reason for a failure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Found = TypeVar("Found")
# How long asynchronous work may take.
SECONDS = 30


class Failure(Exception):
    """A failed check. Its text says what was expected and what was found instead."""


def check(holds: object, sentence: str, instead: object = "") -> None:
    """Prints the sentence if the check passes. Otherwise raises a `Failure` with it and with what was found instead."""
    if not holds:
        raise Failure(f"{sentence}: {instead}" if instead != "" else sentence)
    print(f"  ok  {sentence}", flush=True)


def note(sentence: str) -> None:
    """Prints a limitation of this run."""
    print(f"  --  {sentence}", flush=True)


def within(seconds: float, look: Callable[[], Found]) -> Found:
    """Calls `look` until it returns a true value or the time is over, and returns its last result."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Prints the name of a stage and how long it took."""
    print(name, flush=True)
    started = time.monotonic()
    yield
    print(f"  {time.monotonic() - started:.1f} s", flush=True)
