"""Hiding finer levels in training, so that coarse levels learn to stand for the shape.

Nothing in the reconstruction loss (Eq. 14, 15) asks level 3 to carry anything: where the finest
level has room for a whole shape, the encoder puts the whole shape there, and a cascade that keeps
level 3 keeps nothing. The paper does not say how it is spared this; at its size the coarse sets
are large. Nested dropout (Rippel et al., ICML 2014) orders what a code says: of some shapes only a
prefix of the levels reaches the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from model.latents import Latents

FAINT = 0.25  # size of the noise in a hidden level's place: tokens differ, their norm tells


@dataclass(frozen=True, slots=True)
class Hiding:
    """What the decoder is kept from seeing in training."""

    hide_finer: float = 0.0  # probability that a shape keeps only some of its coarser levels
    latent_noise: float = 0.0  # largest share of noise in the latents that it keeps

    def __post_init__(self) -> None:
        for name in ("hide_finer", "latent_noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")

    def __call__(self, latents: Latents, generator: torch.Generator) -> Latents:
        """The latents as the decoder is given them.

        Of a shape with hidden levels, the coarsest one, two, ... of L stay, each number as likely.
        A kept latent z becomes sqrt(1 - s^2) z + s e, with e standard normal and s uniform up to
        `latent_noise`, one for each shape and level: it stays standardised (Eq. 6), and the decoder
        learns to live with latents that a denoiser leaves inexact.
        """
        if not self.hide_finer and not self.latent_noise:
            return latents
        first = latents.levels[0]
        count, device = len(latents.levels), first.device
        draws = torch.rand(len(first), 1 + count, generator=generator, device=device)
        hides = draws[:, 0] < self.hide_finer
        # The same draw, where it hides, is uniform in [0, hide_finer).
        share = draws[:, 0] / max(self.hide_finer, torch.finfo(torch.float32).tiny)
        kept = torch.where(hides, 1 + (share * (count - 1)).long(), count)
        return Latents(
            tuple(
                self._seen(latent, kept > index, draws[:, 1 + index], generator)
                for index, latent in enumerate(latents.levels)
            )
        )

    def _seen(
        self,
        latent: Float[Tensor, "b m d"],
        kept: Tensor,  # (b,): whether this level is
        draws: Float[Tensor, "b"],
        generator: torch.Generator,
    ) -> Float[Tensor, "b m d"]:
        noise = torch.randn(latent.shape, generator=generator, device=latent.device)
        share = (draws * self.latent_noise)[:, None, None]
        noised = (1 - share.square()).sqrt() * latent + share * noise
        return torch.where(kept[:, None, None], noised, FAINT * noise)
