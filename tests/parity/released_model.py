"""The released autoencoder written out plainly, under the names of its own checkpoint.

It shares no line with `model/`: functions of a state dict, attention spelled out, farthest point
sampling level by level. What it computes is what the release computes in float32 (the release runs
its attention in bfloat16 and starts its sampling at a random point; here at point 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def random_weights(dim: int, channels: Sequence[int], layers: int, seed: int) -> Weights:
    """A state dict in the released layout, norms and biases included far from their defaults.

    Args:
        dim: width C.
        channels: latent channels of `networks.0` (the finest level), `networks.1`, ...
        layers: self-attention layers a level.
        seed: of the values.
    """
    shapes: dict[str, tuple[int, ...]] = {
        "point_embed.mlp.weight": (dim, 51),
        "point_embed.mlp.bias": (dim,),
        "to_outputs.weight": (1, len(channels) * dim),
        "to_outputs.bias": (1,),
    }
    for i, width in enumerate(channels):
        place = f"networks.{i}"
        shapes |= {f"{place}.gamma": (width,), f"{place}.beta": (width,)}
        shapes |= _linear(f"{place}.pre_bottleneck_proj", dim, width)
        shapes |= _linear(f"{place}.post_bottleneck_proj", width, dim)
        shapes |= _attention(f"{place}.cross_attend_blocks.0", dim, context=True)
        shapes |= _feed_forward(f"{place}.cross_attend_blocks.1", dim)
        for j in range(layers):
            shapes |= _attention(f"{place}.layers.{j}.0", dim, context=False)
            shapes |= _feed_forward(f"{place}.layers.{j}.1", dim)
        shapes |= _attention(f"decoder_cross_attn.{i}", dim, context=True)
        if i:
            shapes |= _attention(f"upsample_blocks.{i - 1}.0", dim, context=True)
            shapes |= _feed_forward(f"upsample_blocks.{i - 1}.1", dim)
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        scale = 0.7 / math.sqrt(shape[-1]) if len(shape) == 2 else 0.1
        centre = 1.0 if name.endswith(("norm.weight", "norm_context.weight", "gamma")) else 0.0
        weights[name] = centre + scale * torch.randn(shape, generator=generator)
    return weights | {"point_embed.basis": basis()}


def basis() -> Tensor:
    """(3, 24): column 8 a + k is 2^k pi on axis a."""
    rows = torch.zeros(3, 24)
    for axis in range(3):
        for k in range(8):
            rows[axis, 8 * axis + k] = 2.0**k * math.pi
    return rows


def encode(weights: Weights, points: Tensor, tokens: Sequence[int]) -> list[Tensor]:
    """Latents of `networks.0`, `networks.1`, ... (fine to coarse) of points (n, 3)."""
    context = embed(weights, points)
    latents = []
    for i, count in enumerate(tokens):
        points = points[farthest_points(points, count)]
        place = f"networks.{i}"
        context = resample(weights, f"{place}.cross_attend_blocks", embed(weights, points), context)
        z = linear(weights, f"{place}.pre_bottleneck_proj", context)
        mean, variance = z.mean(-1, keepdim=True), z.var(-1, correction=0, keepdim=True)
        latents.append((z - mean) / torch.sqrt(variance + 1e-6))
    return latents


def decode(weights: Weights, latents: Sequence[Tensor], queries: Tensor) -> Tensor:
    """Logits (q,) at queries (q, 3) of latents as `encode` gives them."""
    features: list[Tensor] = []  # coarse to fine
    for i in reversed(range(len(latents))):
        place = f"networks.{i}"
        z = latents[i] * weights[f"{place}.gamma"] + weights[f"{place}.beta"]
        x = linear(weights, f"{place}.post_bottleneck_proj", z)
        if features:
            x = x + resample(weights, f"upsample_blocks.{len(features) - 1}", x, features[-1])
        j = 0
        while f"{place}.layers.{j}.0.fn.to_q.weight" in weights:
            x = x + self_attend(weights, f"{place}.layers.{j}.0", x)
            x = x + feed_forward(weights, f"{place}.layers.{j}.1", x)
            j += 1
        features.append(x)
    p = embed(weights, queries)
    read = [
        cross_attend(weights, f"decoder_cross_attn.{i}", p, context)
        for i, context in enumerate(features)
    ]
    return linear(weights, "to_outputs", torch.cat(read, dim=-1))[:, 0]


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Indices of `count` points, each the farthest from those before, from point 0."""
    chosen = [0]
    distances = (points - points[0]).square().sum(-1)
    while len(chosen) < count:
        chosen.append(int(distances.argmax()))
        distances = torch.minimum(distances, (points - points[chosen[-1]]).square().sum(-1))
    return torch.tensor(chosen)


def embed(weights: Weights, points: Tensor) -> Tensor:
    phases = points @ weights["point_embed.basis"]
    return linear(weights, "point_embed.mlp", torch.cat([phases.sin(), phases.cos(), points], -1))


def resample(weights: Weights, place: str, query: Tensor, context: Tensor) -> Tensor:
    """x = q + CrossAttn(LN q, LN ctx); x + FF(LN x)."""
    x = query + cross_attend(weights, f"{place}.0", query, context)
    return x + feed_forward(weights, f"{place}.1", x)


def cross_attend(weights: Weights, place: str, query: Tensor, context: Tensor) -> Tensor:
    query = norm(weights, f"{place}.norm", query)
    return attend(weights, f"{place}.fn", query, norm(weights, f"{place}.norm_context", context))


def self_attend(weights: Weights, place: str, x: Tensor) -> Tensor:
    x = norm(weights, f"{place}.norm", x)
    return attend(weights, f"{place}.fn", x, x)


def attend(weights: Weights, place: str, query: Tensor, context: Tensor) -> Tensor:
    """Heads of 64 channels each, keys first in `to_kv`."""
    dim = query.shape[-1]
    q = query @ weights[f"{place}.to_q.weight"].T
    kv = context @ weights[f"{place}.to_kv.weight"].T
    k, v = kv[:, :dim], kv[:, dim:]
    heads = []
    for start in range(0, dim, 64):
        head = slice(start, start + 64)
        scores = q[:, head] @ k[:, head].T / math.sqrt(64)
        heads.append(scores.softmax(dim=-1) @ v[:, head])
    return linear(weights, f"{place}.to_out", torch.cat(heads, dim=-1))


def feed_forward(weights: Weights, place: str, x: Tensor) -> Tensor:
    hidden = linear(weights, f"{place}.fn.net.0", norm(weights, f"{place}.norm", x))
    half = hidden.shape[-1] // 2
    gate = hidden[:, half:]
    gelu = 0.5 * gate * (1 + torch.erf(gate / math.sqrt(2)))
    return linear(weights, f"{place}.fn.net.2", hidden[:, :half] * gelu)


def norm(weights: Weights, place: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
    scaled = (x - mean) / torch.sqrt(variance + 1e-5)
    return scaled * weights[f"{place}.weight"] + weights[f"{place}.bias"]


def linear(weights: Weights, place: str, x: Tensor) -> Tensor:
    return x @ weights[f"{place}.weight"].T + weights[f"{place}.bias"]


def _linear(place: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{place}.weight": (outputs, inputs), f"{place}.bias": (outputs,)}


def _norm(place: str, dim: int) -> dict[str, tuple[int, ...]]:
    return {f"{place}.weight": (dim,), f"{place}.bias": (dim,)}


def _attention(place: str, dim: int, *, context: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{place}.fn.to_q.weight": (dim, dim),
        f"{place}.fn.to_kv.weight": (2 * dim, dim),
    }
    shapes |= _linear(f"{place}.fn.to_out", dim, dim) | _norm(f"{place}.norm", dim)
    return shapes | (_norm(f"{place}.norm_context", dim) if context else {})


def _feed_forward(place: str, dim: int) -> dict[str, tuple[int, ...]]:
    return (
        _linear(f"{place}.fn.net.0", dim, 8 * dim)
        | _linear(f"{place}.fn.net.2", 4 * dim, dim)
        | _norm(f"{place}.norm", dim)
    )
