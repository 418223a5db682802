"""Solvers of EDM's probability-flow ODE, and the noise they start from.

Both take the same noise levels and solve the same ODE to second order; they differ in what a step
costs (docs/decisions/0009-sampler.md).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""D(x: (b, m, d), sigma: (b,)) -> (b, m, d)."""


class Solver(Protocol):
    """The signature of a solver."""

    def __call__(
        self,
        denoise: Denoise,
        noise: Float[Tensor, "b m d"],
        sigmas: Float[Tensor, "t"],
        on_step: Callable[[int], None],
    ) -> Float[Tensor, "b m d"]:
        """Follow the probability-flow ODE from noise to data.

        Args:
            denoise: the preconditioned denoiser D.
            noise: standard normal.
            sigmas: falling noise levels that end in 0.
            on_step: called with the number of steps done after each; may raise to stop.
        """
        ...


def heun_sampler(
    denoise: Denoise,
    noise: Float[Tensor, "b m d"],
    sigmas: Float[Tensor, "t"],
    on_step: Callable[[int], None],
) -> Float[Tensor, "b m d"]:
    """Heun's method (EDM, Algorithm 1): two evaluations of D a step, one in the last."""
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


def multistep_sampler(
    denoise: Denoise,
    noise: Float[Tensor, "b m d"],
    sigmas: Float[Tensor, "t"],
    on_step: Callable[[int], None],
) -> Float[Tensor, "b m d"]:
    """DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2) with alpha = 1: one evaluation of D a step.

    In lambda = -ln sigma the ODE is linear but for D, which is taken to go on changing as it did
    over the step before; h is a step in lambda. The first step has none before it. The last one,
    to sigma = 0, is infinitely long: its limit is D itself, as in Heun's.
    """
    x = noise * sigmas[0]
    levels = sigmas.tolist()
    D_before, h_before = x, math.inf  # no change is known before the first step
    for i, (now, following) in enumerate(itertools.pairwise(levels)):
        D = denoise(x, x.new_full((len(x),), now))
        if following > 0:
            h = math.log(now / following)
            ahead = D + h / (2 * h_before) * (D - D_before)
            x = following / now * x + (1 - following / now) * ahead
            D_before, h_before = D, h
        else:
            x = D
        on_step(i + 1)
    return x


SOLVERS: dict[str, Solver] = {"heun": heun_sampler, "dpm-solver++": multistep_sampler}
"""Solvers by their `model.config.SolverName`."""


def evaluations(solver: str, steps: int) -> int:
    """How often a solver asks D on the way through so many noise levels."""
    return 2 * steps - 1 if solver == "heun" else steps


def seeded_noise(
    seeds: Sequence[int],
    level: int,
    tokens: int,
    channels: int,
    device: torch.device,
    *,
    variant: int = 0,
) -> Float[Tensor, "b m d"]:
    """Standard normal noise, one generator per row, so that a row depends on its seed alone.

    Drawn on the CPU, so that a seed means the same noise on every device. ``variant`` is 0 for new
    shapes; each other number is another stream of the same seed.
    """
    stream = (variant,) if variant else ()
    rows = [
        np.random.Generator(
            np.random.Philox(np.random.SeedSequence((seed, level, *stream)))
        ).standard_normal((tokens, channels), dtype=np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows)).to(device)
