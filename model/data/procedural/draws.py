"""Random choices of a category's styles."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


def pick(
    rng: np.random.Generator, options: Sequence[Option], weights: Sequence[float] | None = None
) -> Option:
    """One of `options`, evenly or in proportion to `weights`.

    Raises:
        ValueError: without options, or if weights and options differ in number.
    """
    if not options:
        raise ValueError("pick needs at least one option")
    if weights is None:
        return options[int(rng.integers(len(options)))]
    if len(weights) != len(options):
        raise ValueError(f"{len(options)} options need as many weights, got {len(weights)}")
    bounds = np.cumsum(weights)
    chosen = int(np.searchsorted(bounds, rng.uniform(0.0, float(bounds[-1])), side="right"))
    return options[min(chosen, len(options) - 1)]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)
