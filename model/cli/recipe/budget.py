"""A time budget: an alarm that ends the work in hand where it can go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 75  # sysexits' EX_TEMPFAIL: try again
_AGAIN_SECONDS = 2.0  # an exception that falls into a destructor is lost


class OutOfTime(BaseException):
    """The budget is used up. No failure, and nothing but the runner may catch it."""


@contextmanager
def time_budget(minutes: float | None) -> Iterator[None]:
    """A block that `OutOfTime` ends after so many minutes; None: it takes what it takes.

    A training that has begun finishes its step and saves first (`model.training.stopping`).
    """
    if minutes is None:
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
