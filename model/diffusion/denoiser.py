"""The raw network F of one cascade stage: a DiT over the tokens of one latent set (section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from model.config import DenoiserConfig
from model.diffusion.conditions import ConditionAttention, Conditions
from model.nn.attention import Attention
from model.nn.blocks import FeedForward


class ModulatedBlock(nn.Module):
    """Self-attention block with adaptive layer norm, each branch gated from zero (DiT).

    The modulation is one projection shared by all blocks plus a small table of the block's own,
    which keeps most of the parameters in attention and feed-forward.
    """

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.attention = Attention(channels, head_channels)
        self.norm_feed_forward = nn.LayerNorm(channels, elementwise_affine=False)
        self.feed_forward = FeedForward(channels)
        self.modulation_table = nn.Parameter(torch.zeros(6, channels))

    def forward(
        self,
        x: Float[Tensor, "b m c"],
        modulation: Float[Tensor, "b 6 c"],  # shift, scale, gate of attention, of feed-forward
    ) -> Float[Tensor, "b m c"]:
        own = (modulation + self.modulation_table).unsqueeze(2)
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = own.unbind(1)
        normed = self.norm(x) * (1 + scale_a) + shift_a
        x = x + gate_a * self.attention(normed, normed)
        normed = self.norm_feed_forward(x) * (1 + scale_f) + shift_f
        out: Tensor = x + gate_f * self.feed_forward(normed)
        return out


class Denoiser(nn.Module):
    """F(x; c_noise, conditions) for one level.

    A latent set has no order, so its tokens get no positional embedding. The last category index
    stands for "no category".
    """

    def __init__(
        self,
        config: DenoiserConfig,
        latent_channels: int,  # D_i of the level denoised
        coarser_channels: Sequence[int],  # D_j of the coarser levels, coarse to fine
        categories: int,  # number of categories, without "no category"
    ) -> None:
        super().__init__()
        width, head = config.channels, config.head_channels
        self.category_embedding = nn.Embedding(categories + 1, width)
        self.noise_embedding = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.modulation = nn.Linear(width, 6 * width)
        self.embedding = nn.Linear(latent_channels, width)
        self.gather = nn.ModuleList(
            ConditionAttention(width, head, channels) for channels in coarser_channels
        )
        self.blocks = nn.ModuleList(ModulatedBlock(width, head) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, latent_channels)
        for zeroed in (self.modulation, self.output):
            nn.init.zeros_(zeroed.weight)
            nn.init.zeros_(zeroed.bias)

    @property
    def no_category(self) -> int:
        return self.category_embedding.num_embeddings - 1

    def condition(
        self, category: Int64[Tensor, "b"], coarser: Sequence[Float[Tensor, "b _m _d"]]
    ) -> Conditions:
        """Embed the conditions: done once per sample, they do not change over the steps."""
        contexts = []
        for gather, latents in zip(self.gather, coarser, strict=True):
            assert isinstance(gather, ConditionAttention)
            contexts.append(gather.keys_values(latents))
        return Conditions(self.category_embedding(category), tuple(contexts))

    def forward(
        self,
        x: Float[Tensor, "b m d"],
        c_noise: Float[Tensor, "b"],
        conditions: Conditions,
    ) -> Float[Tensor, "b m d"]:
        frequencies = _noise_features(c_noise, self.embedding.out_features)
        vector = conditions.vector + self.noise_embedding(frequencies)
        modulation = self.modulation(F.silu(vector)).unflatten(1, (6, -1))
        h = self.embedding(x)
        for gather, context in zip(self.gather, conditions.contexts, strict=True):
            h = gather(h, context)
        for block in self.blocks:
            h = block(h, modulation)
        out: Tensor = self.output(self.norm(h))
        return out


def _noise_features(c_noise: Float[Tensor, "b"], channels: int) -> Float[Tensor, "b c"]:
    """Sinusoids of the noise level, wavelengths from a sixteenth to sixteen units of c_noise."""
    octaves = torch.linspace(-4, 4, channels // 2, device=c_noise.device)
    phases = c_noise[:, None] * (2 * math.pi * 2.0**octaves)
    return torch.cat([phases.sin(), phases.cos()], dim=1)
