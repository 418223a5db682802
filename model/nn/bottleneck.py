"""Bottlenecks between features and latents: the two rows of the paper's Table 2."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class NormalizedBottleneck(nn.Module):
    """NBAE: features -> standardised latents -> features, without a loss of its own."""

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        self.down = nn.Linear(channels, latent_channels)
        self.gamma = nn.Parameter(torch.ones(latent_channels))
        self.beta = nn.Parameter(torch.zeros(latent_channels))
        self.up = nn.Linear(latent_channels, channels)

    def to_latents(self, features: Float[Tensor, "b m c"]) -> Float[Tensor, "b m d"]:
        """FtoL: zero mean, unit variance over each vector's channels (Eq. 6, appendix C)."""
        return F.layer_norm(self.down(features), (self.latent_channels,), eps=1e-6)

    def regularized(
        self,
        features: Float[Tensor, "b m c"],
        generator: torch.Generator,  # noqa: ARG002 (nothing is drawn here)
    ) -> tuple[Float[Tensor, "b m d"], Float[Tensor, ""]]:
        """Latents as in training, and the loss that regularises them: none."""
        return self.to_latents(features), features.new_zeros(())

    def encoding_parameters(self) -> Iterator[nn.Parameter]:
        """Those that latents depend on."""
        return self.down.parameters()

    def to_features(self, latents: Float[Tensor, "b m d"]) -> Float[Tensor, "b m c"]:
        """LtoF: scale and shift, then project up (Eq. 7)."""
        out: Tensor = self.up(latents * self.gamma + self.beta)
        return out


class KLBottleneck(nn.Module):
    """The VAE's: a Gaussian a vector, drawn from in training, its mean in use (VecSet; Eq. 2, 3).

    Latents are not standardised, so no cascade is trained on them; it is here to be compared with
    (Table 7).
    """

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        self.mean = nn.Linear(channels, latent_channels)
        self.log_variance = nn.Linear(channels, latent_channels)
        self.up = nn.Linear(latent_channels, channels)

    def to_latents(self, features: Float[Tensor, "b m c"]) -> Float[Tensor, "b m d"]:
        """FtoL: the mean of each vector's Gaussian."""
        mean: Tensor = self.mean(features)
        return mean

    def regularized(
        self, features: Float[Tensor, "b m c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "b m d"], Float[Tensor, ""]]:
        """A draw of each vector, and the mean KL divergence from a standard normal.

        The divergence is a mean over vectors and channels, in nats.
        """
        mean, log_variance = self.mean(features), self.log_variance(features).clamp(-30, 20)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return mean + (0.5 * log_variance).exp() * noise, divergence

    def encoding_parameters(self) -> Iterator[nn.Parameter]:
        """Those that latents depend on."""
        return itertools.chain(self.mean.parameters(), self.log_variance.parameters())

    def to_features(self, latents: Float[Tensor, "b m d"]) -> Float[Tensor, "b m c"]:
        """LtoF: one projection (Eq. 3)."""
        out: Tensor = self.up(latents)
        return out


Bottleneck = NormalizedBottleneck | KLBottleneck
