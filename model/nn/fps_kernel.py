"""Farthest point sampling on an NVIDIA GPU, as one Triton kernel: a program a cloud.

Each point taken depends on the one before, so that in torch a cloud costs five kernels a point,
all of them reading and writing every distance. Here coordinates and distances stay in registers.
"""

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int64
from torch import Tensor


def sample(points: Float[Tensor, "b n 3"], count: int) -> Int64[Tensor, "b count"]:
    """As `model.nn.fps.farthest_point_sampling`; a cloud has to fit the registers of a program."""
    batch, n, _ = points.shape
    chosen = torch.empty(batch, count, dtype=torch.int64, device=points.device)
    block = triton.next_power_of_2(n)
    warps = min(max(block // 256, 1), 16)
    with torch.cuda.device_of(points):  # Triton launches on the current device
        _kernel[(batch,)](points.float().contiguous(), chosen, n, count, block, num_warps=warps)
    return chosen


@triton.jit
@no_type_check  # by tests as well: Triton compiles the function as it stands here
def _kernel(points, chosen, n, count: tl.constexpr, block: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    points += row * n * 3
    chosen += row * count
    index = tl.arange(0, block)
    real = index < n
    x = tl.load(points + 3 * index, real, other=0.0)
    y = tl.load(points + 3 * index + 1, real, other=0.0)
    z = tl.load(points + 3 * index + 2, real, other=0.0)
    distance = tl.where(real, float("inf"), -1.0)
    last = tl.zeros((), tl.int32)
    tl.store(chosen, last.to(tl.int64))
    for rank in range(1, count):
        dx = x - tl.load(points + 3 * last)
        dy = y - tl.load(points + 3 * last + 1)
        dz = z - tl.load(points + 3 * last + 2)
        distance = tl.minimum(distance, dx * dx + dy * dy + dz * dz)
        last = tl.argmax(distance, 0)
        tl.store(chosen + rank, last.to(tl.int64))
