"""Farthest point sampling of batched clouds in torch, for clouds that come unordered (training).

Served clouds come already in farthest-point order from `model.geometry.sampling`.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_IN_REGISTERS = 16_384  # points of a cloud that the GPU's kernel can hold


@torch.no_grad()
def farthest_point_sampling(points: Float[Tensor, "b n 3"], count: int) -> Int64[Tensor, "b count"]:
    """Indices of `count` points, each the farthest from those before it, starting at point 0.

    A prefix of the result equals a shorter run, so one run serves every level of the hierarchy
    (paper, section 3.2: P_i = FPS(P_{i-1})).
    """
    n = points.shape[1]
    if count > n:
        raise ValueError(f"cannot sample {count} points out of {n}")
    if points.device.type == "cuda" and count > 0 and n <= _IN_REGISTERS and find_spec("triton"):
        from model.nn import fps_kernel  # noqa: PLC0415 - triton comes with torch for GPUs alone

        return fps_kernel.sample(points, count)
    return sample_step_by_step(points, count)


def sample_step_by_step(points: Float[Tensor, "b n 3"], count: int) -> Int64[Tensor, "b count"]:
    """As `farthest_point_sampling`, on any device, by torch alone."""
    batch, n, _ = points.shape
    rows = torch.arange(batch, device=points.device)
    chosen = torch.zeros(batch, count, dtype=torch.int64, device=points.device)
    distance = torch.full((batch, n), torch.inf, device=points.device)
    for i in range(1, count):
        last = points[rows, chosen[:, i - 1]].unsqueeze(1)
        torch.minimum(distance, (points - last).square().sum(-1), out=distance)
        chosen[:, i] = distance.argmax(dim=1)
    return chosen
