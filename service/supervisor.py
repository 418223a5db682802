"""Keeps the processes of a one-machine server running, and ends them together."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from service.jobqueue.embedded import dying_with_parent

_POLL_S = 0.1
_RESTART_AFTER_S = 10.0
"""A part that ends sooner after its start would only end again."""


class PartFailedError(Exception):
    """A part ended by itself, and starting it again would not help."""


class Part:
    """One process of the server: ``python -m <module>`` with settings of its own.

    Args:
        environment: added to this process's variables.
    """

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self.module = module
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def age_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started

    @property
    def pid(self) -> int | None:
        """The process's id, once it was started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, in a session of its own: Ctrl-C is for the supervisor alone."""
        command = dying_with_parent([sys.executable, "-m", self.module])
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            command, env=self._environment, start_new_session=True
        )

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process is not None:
            self._process.send_signal(number)


class Supervisor:
    """Runs parts until SIGINT or SIGTERM, starting again those that end by accident.

    The first signal lets the parts finish what they run; the second ends them at once.

    Args:
        parts: started in this order.
        on_poll: called about ten times a second while all is well.
        on_stop: called at the first signal.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        on_poll: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._on_poll = on_poll
        self._on_stop = on_stop
        self._signals = 0
        self._settled = False

    def settle(self) -> None:
        """Say that the server has become ready: from here on, parts that die are replaced."""
        self._settled = True

    def run(self) -> bool:
        """Run to the end; True where the parts ended in their own time.

        Raises:
            PartFailedError: a part died for good; the others have been stopped.
        """
        with self._counting_signals():
            try:
                for part in self._parts:
                    part.start()
                while not self._signals:
                    self._replace_dead()
                    self._on_poll()
                    time.sleep(_POLL_S)
                self._on_stop()
            except BaseException:
                self._signals = max(self._signals, 1)
                self._stop()
                raise
            return self._stop()

    def _replace_dead(self) -> None:
        for part in self._parts:
            code = part.exit_code()
            if code is None:
                continue
            if not self._settled or part.age_s < _RESTART_AFTER_S:
                raise PartFailedError(f"{part.module} ended with exit code {code}")
            part.start()

    def _stop(self) -> bool:
        """Let all parts end; kill them when another signal comes."""
        for part in self._parts:
            part.signal(signal.SIGTERM)
        while any(part.exit_code() is None for part in self._parts):
            if self._signals > 1:
                for part in self._parts:
                    part.signal(signal.SIGKILL)
            time.sleep(_POLL_S)
        return self._signals <= 1

    @contextlib.contextmanager
    def _counting_signals(self) -> Iterator[None]:
        def count(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signal's protocol)
            self._signals += 1

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, count) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
