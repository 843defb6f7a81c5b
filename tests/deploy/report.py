"""What the tests print: one line for each check, the time of each stage, and why it ended."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Found = TypeVar("Found")
# How long anything may take that happens by itself.
SECONDS = 30


class Failure(Exception):
    """A check that did not hold; its text says what was expected and what was there."""


def check(holds: object, sentence: str, instead: object = "") -> None:
    """Prints a sentence that holds, or ends the run with it and with what was there instead."""
    if not holds:
        raise Failure(f"{sentence}: {instead}" if instead != "" else sentence)
    print(f"  ok  {sentence}", flush=True)


def note(sentence: str) -> None:
    """Prints what this run cannot show."""
    print(f"  --  {sentence}", flush=True)


def within(seconds: float, look: Callable[[], Found]) -> Found:
    """Looks until there is something, or for so many seconds."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Prints how long a part of the run took."""
    print(name, flush=True)
    started = time.monotonic()
    yield
    print(f"  {time.monotonic() - started:.1f} s", flush=True)
