"""Embeddings of coordinates: PE of the paper's Eq. 1."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

FREQUENCIES = 8
FOURIER_CHANNELS = 3 * 2 * FREQUENCIES + 3  # sines, cosines and the coordinates themselves: 51


def axis_frequencies() -> Float[Tensor, "3 24"]:
    """The linear map from a point to its phases: 2^k pi, k = 0..7, axis by axis."""
    row = _frequencies(torch.device("cpu"))[None]
    phases: Tensor = torch.block_diag(row, row, row)
    return phases


def _frequencies(device: torch.device) -> Float[Tensor, "8"]:
    return math.pi * 2.0 ** torch.arange(FREQUENCIES, device=device)


def fourier_features(points: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 51"]:
    """[sin, cos, xyz] of the coordinates at frequencies 2^k pi, k = 0..7, axis by axis.

    Points are in the canonical frame (unit sphere). Always computed in float32: the highest
    frequency, 2^7 pi, turns a half-precision coordinate into noise.
    """
    points = points.float()
    phases = (points.unsqueeze(-1) * _frequencies(points.device)).flatten(-2)
    return torch.cat([phases.sin(), phases.cos(), points], dim=-1)


class PointEmbedding(nn.Module):
    """PE(p): Fourier features, then one linear layer to C channels; in float32 always."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(FOURIER_CHANNELS, channels)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n c"]:
        with torch.autocast(points.device.type, enabled=False):
            out: Tensor = self.projection(fourier_features(points))
        return out
