"""The cascade: one denoiser a level, each conditioned on all coarser levels (Eq. 10 to 12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from model.config import AutoEncoderConfig, CascadeConfig
from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import denoise, noise_levels
from model.diffusion.launches import Recorded
from model.diffusion.sampler import SOLVERS, seeded_noise
from model.latents import Latents

OnStep = Callable[[int, float], None]
"""Called with (level number, fraction of that level done) after each step; may raise to stop."""


class Cascade(nn.Module):
    """Samples latents level by level, coarse to fine."""

    def __init__(self, config: CascadeConfig, autoencoder: AutoEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.levels = autoencoder.levels
        channels = [level.channels for level in autoencoder.levels]
        self.denoisers = nn.ModuleList(
            Denoiser(denoiser, channels[i], channels[:i], len(config.categories))
            for i, denoiser in enumerate(config.denoisers)
        )

    @torch.inference_mode()
    def sample(
        self,
        seeds: Sequence[int],  # one a row
        categories: Int64[Tensor, "b"],  # indices; len(config.categories) is "no category"
        *,
        steps: int,
        guidance: float,  # 1: conditional; 0: unconditional; above 1: classifier-free guidance
        guidance_level: int,  # finer levels than this are not guided
        solver: str,  # a SolverName
        on_step: OnStep,
        kept: Sequence[Tensor] = (),  # coarsest levels to keep, coarse to fine
    ) -> Latents:
        """Latents of new shapes, or of variants that keep the coarsest levels as they are."""
        solve, sigmas = SOLVERS[solver], noise_levels(steps)
        sets = list(kept)
        for index in range(len(sets), len(self.levels)):
            number = len(self.levels) - index
            weight = guidance if guidance == 0 or number >= guidance_level else 1.0
            made = []
            for rows in _batches(len(seeds), categories.device):
                noise = self._noise(index, seeds[rows], categories.device, len(kept))
                coarser = [latents[rows] for latents in sets]
                denoise_rows = self._guided(index, categories[rows], coarser, weight)
                if noise.is_cuda:
                    denoise_rows = Recorded(denoise_rows)
                progress = _Progress(on_step, number, rows, len(seeds), steps)
                made.append(solve(denoise_rows, noise, sigmas, progress))
            sets.append(torch.cat(made))
        return Latents(tuple(sets))

    def _noise(self, index: int, seeds: Sequence[int], device: torch.device, kept: int) -> Tensor:
        """What a level starts from: other noise for variants, else a seed would copy its shape."""
        level, number = self.levels[index], len(self.levels) - index
        return seeded_noise(seeds, number, level.tokens, level.channels, device, variant=kept)

    def _guided(
        self,
        index: int,
        categories: Int64[Tensor, "b"],
        coarser: Sequence[Tensor],
        guidance: float,
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """D of one level, guided away from "no category" (Ho and Salimans 2022)."""
        network = self.denoisers[index]
        assert isinstance(network, Denoiser)
        unlabelled = torch.full_like(categories, network.no_category)
        if guidance == 0:
            categories = unlabelled
        if guidance in (0, 1):
            conditions = network.condition(categories, coarser)
            return lambda x, sigma: denoise(network, x, sigma, conditions)
        both = network.condition(_twice(categories, unlabelled), [_twice(z, z) for z in coarser])

        def guided(x: Tensor, sigma: Tensor) -> Tensor:
            D, D_without = denoise(network, _twice(x, x), _twice(sigma, sigma), both).chunk(2)
            return D_without + guidance * (D - D_without)

        return guided


def _twice(conditional: Tensor, unconditional: Tensor) -> Tensor:
    """Both passes of guidance as one batch."""
    return torch.cat([conditional, unconditional])


@dataclass(frozen=True, slots=True)
class _Progress:
    """Turns the steps of some rows into the fraction of a level that is done."""

    on_step: OnStep
    number: int
    rows: slice
    all_rows: int
    steps: int

    def __call__(self, done: int) -> None:
        count = self.rows.stop - self.rows.start
        self.on_step(self.number, (self.rows.start + count * done / self.steps) / self.all_rows)


def _batches(rows: int, device: torch.device) -> list[slice]:
    """What is denoised together: everything on a GPU, one row after the other on a CPU.

    A CPU gains little from a batch (benchmarks/RESULTS.md), and its matrix products round
    differently for each batch size: row by row, a sample is the same bit for bit whoever shares its
    request.
    """
    if device.type == "cpu":
        return [slice(row, row + 1) for row in range(rows)]
    return [slice(0, rows)]
