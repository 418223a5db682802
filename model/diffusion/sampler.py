"""Heun's second-order sampler of EDM, and the noise it starts from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""D(x: (b, m, d), sigma: (b,)) -> (b, m, d)."""


def heun_sampler(
    denoise: Denoise,
    noise: Float[Tensor, "b m d"],
    sigmas: Float[Tensor, "t"],
    on_step: Callable[[int], None],
) -> Float[Tensor, "b m d"]:
    """Follow the probability-flow ODE from noise to data (EDM, Algorithm 1).

    Args:
        denoise: the preconditioned denoiser D.
        noise: standard normal.
        sigmas: falling noise levels that end in 0.
        on_step: called with the number of steps done after each; may raise to stop.
    """
    x = noise * sigmas[0]
    levels = sigmas.tolist()
    for i, (now, following) in enumerate(itertools.pairwise(levels)):
        slope = (x - denoise(x, x.new_full((len(x),), now))) / now
        x_next = x + (following - now) * slope
        if following > 0:
            corrected = (x_next - denoise(x_next, x.new_full((len(x),), following))) / following
            x_next = x + (following - now) * (slope + corrected) / 2
        x = x_next
        on_step(i + 1)
    return x


def seeded_noise(
    seeds: Sequence[int], level: int, tokens: int, channels: int, device: torch.device
) -> Float[Tensor, "b m d"]:
    """Standard normal noise, one generator per row, so that a row depends on its seed alone.

    Drawn on the CPU, so that a seed means the same noise on every device.
    """
    rows = [
        np.random.Generator(
            np.random.Philox(np.random.SeedSequence((seed, level)))
        ).standard_normal((tokens, channels), dtype=np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows)).to(device)
