"""The folded query function on an NVIDIA GPU: a Triton kernel a level, and one for its sums.

What `model.field.OccupancyField` computes with a matrix of scores for each head, which memory has
to hold, is here a matrix product, an exponential and two sums on scores that never leave the chip:
a program holds some queries, walks over the tokens of one head with a running maximum (as
FlashAttention does, Dao et al. 2022), and leaves one number a head and query, which are added up in
the order of the heads: a vector gives the same bits whatever else is asked with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import no_type_check

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

_WIDTH = 64  # of query vectors and keys, 53 numbers and zeros: a product wants a power of two
_ROWS = 128  # queries of one program
_TOKENS = 64  # tokens that it takes at once
_STAGES = 2  # blocks of tokens under way; with Triton's 3 it takes half as long again on an H200
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
        each = torch.empty(batch, heads, count, device=vectors.device)
        blocks = triton.cdiv(count, _ROWS)
        with torch.cuda.device_of(padded):  # Triton launches on the current device
            _attend[(blocks, heads, batch)](
                padded, wide, value.float().contiguous(), each, count, tokens,
                _WIDTH, _ROWS, _TOKENS, num_stages=_STAGES,
            )  # fmt: skip
            _add[(blocks, batch)](each, total, count, heads, _ROWS)
    return total


@triton.jit
@no_type_check  # by tests as well: Triton compiles the function as it stands here
def _attend(
    vectors,
    keys,
    values,
    each,
    count,
    tokens: tl.constexpr,
    width: tl.constexpr,
    rows: tl.constexpr,
    block: tl.constexpr,
):
    shape = tl.program_id(2).to(tl.int64)
    head = shape * tl.num_programs(1) + tl.program_id(1)
    vectors += shape * count * width
    keys += head * tokens * width
    values += head * tokens
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    lane = tl.arange(0, width)
    there = row < count
    query = tl.load(vectors + row[:, None] * width + lane[None, :], there[:, None], other=0.0)
    largest = tl.full((rows,), float("-inf"), tl.float32)
    weight = tl.zeros((rows,), tl.float32)
    weighted = tl.zeros((rows,), tl.float32)
    for start in range(0, tokens, block):
        token = start + tl.arange(0, block)
        real = token < tokens
        key = tl.load(keys + token[:, None] * width + lane[None, :], real[:, None], other=0.0)
        value = tl.load(values + token, real, other=0.0)
        score = tl.dot(query, tl.trans(key), input_precision="tf32x3")
        score = tl.where(real[None, :], score, float("-inf"))
        above = tl.maximum(largest, tl.max(score, 1))
        part = tl.exp2(score - above[:, None])
        kept = tl.exp2(largest - above)
        weight = weight * kept + tl.sum(part, 1)
        weighted = weighted * kept + tl.sum(part * value[None, :], 1)
        largest = above
    tl.store(each + head * count + row, weighted / weight, there)


@triton.jit
@no_type_check
def _add(each, total, count, heads: tl.constexpr, rows: tl.constexpr):
    shape = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    there = row < count
    result = tl.load(total + shape * count + row, there, other=0.0)
    for head in range(heads):
        result += tl.load(each + (shape * heads + head) * count + row, there, other=0.0)
    tl.store(total + shape * count + row, result, there)
