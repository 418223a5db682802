"""Wall time by stage."""

import time

from service.jobs import Stage


class Stopwatch:
    """Adds up the time between calls of ``enter``, by the stage that was entered."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        self._stage: Stage | None = None
        self._since = 0.0

    def enter(self, stage: Stage | None) -> None:
        """Stop the running stage and start another; None starts none."""
        now = time.perf_counter()
        if self._stage is not None:
            spent = (now - self._since) * 1000
            self.timings_ms[self._stage] = self.timings_ms.get(self._stage, 0.0) + spent
        self._stage, self._since = stage, now
