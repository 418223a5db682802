"""The folded query function on an NVIDIA GPU, as one Triton kernel a level.

What `model.field.OccupancyField` computes with a matrix of scores for each head, which memory has
to hold, is here a matrix product, an exponential and two sums on scores that never leave the chip:
a program holds some queries, walks over the tokens of each head with a running maximum (as
FlashAttention does, Dao et al. 2022), and adds one number a head and query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

_WIDTH = 64  # of query vectors and keys, 53 numbers and zeros: a product wants a power of two
_ROWS = 128  # queries of one program
_TOKENS = 64  # tokens that it takes at once
_LOG2_E = math.log2(math.e)


def attended(
    vectors: Float[Tensor, "b q 53"],
    keys: Sequence[Float[Tensor, "b h _m 53"]],
    values: Sequence[Float[Tensor, "b h _m"]],
) -> Float[Tensor, "b q"]:
    """Sum over levels and heads of softmax(keys . vector) . values (`model.field`), in float32.

    Products are taken as three of TF32, which keeps float32's precision on tensor cores.
    """
    batch, count, _ = vectors.shape
    padded = F.pad(vectors.float(), (0, _WIDTH - vectors.shape[-1])).contiguous()
    total = torch.zeros(batch, count, device=vectors.device)
    for key, value in zip(keys, values, strict=True):
        heads, tokens = value.shape[1:]
        wide = F.pad(key.float() * _LOG2_E, (0, _WIDTH - key.shape[-1])).contiguous()
        grid = (triton.cdiv(count, _ROWS), batch)
        with torch.cuda.device_of(padded):  # Triton launches on the current device
            _add_level[grid](
                padded, wide, value.float().contiguous(), total, count, heads, tokens,
                _WIDTH, _ROWS, _TOKENS,
            )  # fmt: skip
    return total


@triton.jit  # type: ignore[untyped-decorator]
def _add_level(  # type: ignore[no-untyped-def]
    vectors,
    keys,
    values,
    total,
    count,
    heads: tl.constexpr,
    tokens: tl.constexpr,
    width: tl.constexpr,
    rows: tl.constexpr,
    block: tl.constexpr,
):
    shape = tl.program_id(1).to(tl.int64)
    vectors += shape * count * width
    keys += shape * heads * tokens * width
    values += shape * heads * tokens
    total += shape * count
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    lane = tl.arange(0, width)
    there = row < count
    query = tl.load(vectors + row[:, None] * width + lane[None, :], there[:, None], other=0.0)
    result = tl.load(total + row, there, other=0.0)
    for head in range(heads):
        largest = tl.full((rows,), float("-inf"), tl.float32)
        weight = tl.zeros((rows,), tl.float32)
        weighted = tl.zeros((rows,), tl.float32)
        for start in range(0, tokens, block):
            token = start + tl.arange(0, block)
            real = token < tokens
            place = head * tokens + token
            key = tl.load(keys + place[:, None] * width + lane[None, :], real[:, None], other=0.0)
            value = tl.load(values + place, real, other=0.0)
            score = tl.dot(query, tl.trans(key), input_precision="tf32x3")
            score = tl.where(real[None, :], score, float("-inf"))
            above = tl.maximum(largest, tl.max(score, 1))
            part = tl.exp2(score - above[:, None])
            kept = tl.exp2(largest - above)
            weight = weight * kept + tl.sum(part, 1)
            weighted = weighted * kept + tl.sum(part * value[None, :], 1)
            largest = above
        result += weighted / weight
    tl.store(total + row, result, there)
