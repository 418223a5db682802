"""Embeddings of coordinates: PE of the paper's Eq. 1."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

FREQUENCIES = 8
FOURIER_CHANNELS = 3 * 2 * FREQUENCIES + 3  # sines, cosines and the coordinates themselves: 51


def fourier_features(points: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 51"]:
    """[sin, cos, xyz] of the coordinates at frequencies 2^k pi, k = 0..7, axis by axis.

    Points are in the canonical frame (unit sphere). Always computed in float32: the highest
    frequency, 2^7 pi, turns a half-precision coordinate into noise.
    """
    points = points.float()
    frequencies = math.pi * 2.0 ** torch.arange(FREQUENCIES, device=points.device)
    phases = (points.unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([phases.sin(), phases.cos(), points], dim=-1)


class PointEmbedding(nn.Module):
    """PE(p): Fourier features, then one linear layer to C channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(FOURIER_CHANNELS, channels)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n c"]:
        out: Tensor = self.projection(fourier_features(points))
        return out
