"""A pipeline observer that draws progress bars on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

_QUIET_SECONDS = 1.0  # shorter stages show no bar
_NAMES = {"mesh": "decode"}  # rows alternate between the two, one bar shows both


class StageProgress:
    """A `model.pipeline.Observer`: one bar a stage on stderr, where that is a terminal."""

    def __init__(self) -> None:
        self.stage = ""
        self.bar: tqdm[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __call__(self, stage: str, fraction: float) -> None:
        """Note that `fraction` (0 to 1) of `stage` is done."""
        name = _NAMES.get(stage, stage)
        if self.bar is None or name != self.stage:
            self.close()
            self.stage = name
            self.bar = tqdm(
                total=100,
                desc=name,
                unit="%",
                bar_format="{desc:<10} {percentage:3.0f}% {bar} {elapsed}",
                delay=_QUIET_SECONDS,
                disable=not sys.stderr.isatty(),
            )
        self.bar.update(max(0.0, 100 * fraction - self.bar.n))

    def close(self) -> None:
        """End the bar that is shown."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
