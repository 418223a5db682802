"""A pipeline observer that draws progress bars on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

_QUIET_SECONDS = 1.0  # shorter stages show no bar
_NAMES = {"mesh": "decode"}  # rows alternate between the two, one bar shows both


@contextmanager
def stage_progress() -> Iterator[Callable[[str, float], None]]:
    """A `model.pipeline.Observer`: one bar a stage on stderr, where that is a terminal."""
    bars = _StageBars()
    try:
        yield bars
    finally:
        bars.close()


class _StageBars:
    def __init__(self) -> None:
        self.stage = ""
        self.bar: tqdm[Any] | None = None

    def __call__(self, stage: str, fraction: float) -> None:
        """Note that `fraction` (0 to 1) of `stage` is done."""
        name = _NAMES.get(stage, stage)
        bar = self.bar
        if bar is None or name != self.stage:
            self.close()
            bar = tqdm(
                total=100,
                bar_format=f"{name:<11}{{percentage:3.0f}}% {{bar}} {{elapsed}}",
                delay=_QUIET_SECONDS,
                disable=not sys.stderr.isatty(),
            )
            self.stage, self.bar = name, bar
        bar.update(max(0.0, 100 * fraction - bar.n))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
