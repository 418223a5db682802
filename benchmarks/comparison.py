"""How the benchmarks measure: calls made in turn within one run, and tables of what they cost.

On a CPU a second is one of CPU time of this process, which works on one thread, so that
neighbours disturb little; on a GPU it is one of wall time between two synchronisations. What counts
are ratios within one run, since machines differ.
"""

from __future__ import annotations

import math
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch

from model.pipeline import ShapePipeline

REPEATS = 5

_Value = TypeVar("_Value")
Calls = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Bench:
    """What every part is given: the model on its device, and how thoroughly to measure."""

    pipeline: ShapePipeline
    quick: bool = False  # a smoke run: every row, none worth quoting
    seeds: int = 1  # generated shapes a category, where shapes are counted over
    meshes: Path | None = None  # a folder of meshes to encode beside them

    @property
    def device(self) -> torch.device:
        return self.pipeline.device

    def pick(self, full: _Value, quick: _Value) -> _Value:
        """A size by kind of run."""
        return quick if self.quick else full

    def now(self) -> float:
        """The clock, in seconds."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    def once(self, call: Callable[[], _Value]) -> tuple[_Value, float]:
        """What a call gives, and its seconds."""
        started = self.now()
        result = call()
        return result, self.now() - started

    def in_turn(self, calls: Calls, repeats: int = REPEATS) -> dict[str, float]:
        """Median seconds of calls, made in turn after a warm-up each."""
        times: dict[str, list[float]] = {name: [] for name in calls}
        for repeat in range(1 + self.pick(repeats, 1)):
            for name, call in calls.items():
                _, spent = self.once(call)
                if repeat:
                    times[name].append(spent)
        return {name: statistics.median(spent) for name, spent in times.items()}

    def compare(self, what: str, calls: Calls, repeats: int = REPEATS) -> list[str]:
        """A row of `COMPARISON`: the first of two calls against the second."""
        (slow, slow_cost), (fast, fast_cost) = self.in_turn(calls, repeats).items()
        return [
            what,
            f"{slow}: {seconds(slow_cost)}",
            f"{fast}: {seconds(fast_cost)}",
            times(slow_cost / fast_cost),
        ]

    def peak(self, call: Callable[[], object]) -> int:
        """Bytes that a call holds at most: of the GPU, or what Python and numpy allocate."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            before = torch.cuda.memory_allocated(self.device)
            call()
            return torch.cuda.max_memory_allocated(self.device) - before
        tracemalloc.start()
        call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak


COMPARISON = ("what", "slower", "faster", "ratio")


@dataclass(frozen=True)
class Table:
    """A Markdown table: text in the first column, figures to the right."""

    title: str
    head: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", *([self.note, ""] if self.note else [])]
        lines += [_row(self.head), _row(["---", *["---:"] * (len(self.head) - 1)])]
        lines += [_row(row) for row in self.rows]
        return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def seconds(value: float) -> str:
    """Three digits of a time."""
    return f"{_digits(1000 * value)} ms" if value < 0.1 else f"{_digits(value)} s"


def times(ratio: float) -> str:
    """A ratio, as the column of ratios shows it."""
    return f"**{_digits(ratio) if ratio >= 10 else format(ratio, '.2f')}x**"


def megabytes(count: float) -> str:
    return f"{_digits(count / 1e6)} MB"


def _digits(value: float) -> str:
    """Three digits, without an exponent."""
    rounded = float(f"{value:.3g}")
    before = math.floor(math.log10(rounded)) if rounded > 0 else 0
    return f"{rounded:,.{min(max(2 - before, 0), 3)}f}"
