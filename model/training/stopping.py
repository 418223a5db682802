"""Stopping a training by a signal, as batch systems and spot machines do, at the end of a step.

SIGALRM is the process's own: an alarm that it has set to keep within a time budget.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_ECHO_SECONDS = 1.0  # a launcher passes on a signal that the whole job already got


class TrainingStopped(Exception):
    """A training that a signal ended early; its state is saved."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number  # of the signal


class StopRequest:
    """Notes the first signal; a second one kills at once, a mere echo or an alarm aside."""

    def __init__(self) -> None:
        self.number = 0  # of the signal; 0: none came
        self._noted = 0.0

    def note(self, number: int, _frame: FrameType | None) -> None:
        """A signal handler."""
        now = time.monotonic()
        if not self.number:
            self.number, self._noted = number, now
        elif number != signal.SIGALRM and now - self._noted > _ECHO_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def noted_signals() -> Iterator[StopRequest]:
    """Note SIGINT, SIGTERM and SIGALRM within the block.

    Outside the main thread, where Python lets nobody handle signals, none is ever noted.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    former = {number: signal.signal(number, request.note) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
