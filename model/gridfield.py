"""An occupancy field at the samples of a regular grid, by tables where they can be used."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from model.field import OccupancyField

if TYPE_CHECKING:
    from model.gridfield_kernel import GridTables

_MOST_SCORE = 2.0**21  # the kernel rounds scores to integers, which it can to about twice this


class GridField:
    """The field of one shape at the samples lower + spacing * (i, j, k), 0 <= i, j, k < samples.

    On a CPU with numba a compiled kernel reads tables of the axes: a sample's logit has the same
    bits whatever else is asked with it. Elsewhere the field itself is asked, by torch: without
    numba or with NUMBA_DISABLE_JIT, on a GPU, and where there are no tokens or no finite scores.

    Args:
        threads: how many share the samples of a call; they run beside the interpreter.
    """

    def __init__(
        self, field: OccupancyField, lower: float, spacing: float, samples: int, threads: int = 1
    ) -> None:
        if len(field) != 1:
            raise ValueError(f"a grid is of one shape, the field holds {len(field)}")
        self._field, self._lower, self._spacing = field, lower, spacing
        self._samples, self._threads = samples, threads
        self._tables = self._tabulate()

    def __call__(self, indices: Int[Tensor, "n 3"]) -> Float32[Tensor, "n"]:
        """Logits at samples (i, j, k) of the grid."""
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < self._samples:
            raise ValueError(f"indices of samples must be from 0 to {self._samples - 1}")
        if self._tables is None:
            return self._ask(indices)
        from model import gridtables  # noqa: PLC0415 - imports numba, half a second

        samples = np.ascontiguousarray(indices.numpy(), dtype=np.uint64)
        return torch.from_numpy(gridtables.evaluate(self._tables, samples, self._threads))

    def _tabulate(self) -> GridTables | None:
        if not (self._field.keys and self._field.bias.device.type == "cpu" and has_numba()):
            return None
        from model import gridtables  # noqa: PLC0415 - as above

        coordinates = self._lower + self._spacing * np.arange(self._samples, dtype=np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # then `most_score` is no number
            tables = gridtables.tabulate(self._field, coordinates)
        return tables if tables.most_score < _MOST_SCORE else None

    def _ask(self, indices: Int[Tensor, "n 3"]) -> Float32[Tensor, "n"]:
        points = (indices * self._spacing + self._lower).unsqueeze(0)
        return self._field(points).squeeze(0).float()


def prepare() -> None:
    """Compile the kernel, or load it from disk, before the first grid waits for it."""
    keys, values = torch.zeros(1, 1, 1, 53), torch.zeros(1, 1, 1)
    field = OccupancyField(torch.zeros(52, 52), 1.0, (keys,), (values,), torch.zeros(1))
    GridField(field, 0.0, 1.0, 1)(torch.zeros(1, 3, dtype=torch.int64))


@functools.cache
def has_numba() -> bool:
    """Whether numba is there, and compiles."""
    try:
        import numba  # noqa: PLC0415 - as above
    except ImportError:
        return False
    return not numba.config.DISABLE_JIT
