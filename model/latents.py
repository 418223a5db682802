"""Latents: the per-level latent vector sets of a batch of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Latents:
    """One latent vector set Z_i per level, coarse to fine: (Z_L, ..., Z_1).

    Every entry is (b, tokens, channels) with the same b. Each vector is standardised to zero mean
    and unit variance over its channels (paper, Eq. 6); the order of vectors in a set carries no
    meaning.
    """

    levels: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if len({len(level) for level in self.levels}) != 1:
            raise ValueError(
                f"levels differ in batch size: {[len(level) for level in self.levels]}"
            )

    def __len__(self) -> int:
        return len(self.levels[0])

    def __getitem__(self, rows: slice) -> Latents:
        return Latents(tuple(level[rows] for level in self.levels))

    def level(self, number: int) -> Tensor:
        """The set of the paper's level `number`: L is the coarsest, 1 the finest."""
        return self.levels[len(self.levels) - number]

    @staticmethod
    def concatenate(batches: Sequence[Latents]) -> Latents:
        return Latents(
            tuple(torch.cat(level) for level in zip(*(b.levels for b in batches), strict=True))
        )

    def to_numpy(self, row: int) -> dict[int, np.ndarray]:
        """One shape's sets by the paper's level number, float32, without a batch axis."""
        count = len(self.levels)
        return {count - i: level[row].float().cpu().numpy() for i, level in enumerate(self.levels)}

    @staticmethod
    def from_numpy(shapes: Sequence[dict[int, np.ndarray]]) -> Latents:
        """A batch from shapes as given by `to_numpy`."""
        numbers = sorted(shapes[0], reverse=True)
        return Latents(
            tuple(
                torch.from_numpy(np.stack([shape[number] for shape in shapes]))
                for number in numbers
            )
        )
