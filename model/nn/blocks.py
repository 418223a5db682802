"""Pre-norm transformer blocks shared by the autoencoder (and, modulated, by the denoisers)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.nn.attention import Attention


class FeedForward(nn.Module):
    """Two-layer perceptron with a gated GELU (GEGLU) between, four times as wide inside."""

    def __init__(self, channels: int, factor: int = 4) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, 2 * factor * channels)
        self.project = nn.Linear(factor * channels, channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        value, gate = self.expand(x).chunk(2, dim=-1)
        out: Tensor = self.project(value * F.gelu(gate))
        return out


class CrossAttentionBlock(nn.Module):
    """Resampling of one vector set from another (paper, sections 3.1 and 3.2).

    x = q + CA(LN q, LN context); x = x + FF(LN x). Down-samples when the queries are fewer than the
    context (Eq. 1), up-samples when they are more (Eq. 8).
    """

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(channels)
        self.norm_context = nn.LayerNorm(channels)
        self.attention = Attention(channels, head_channels)
        self.norm_feed_forward = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels)

    def forward(
        self, query: Float[Tensor, "b n c"], context: Float[Tensor, "b m c"]
    ) -> Float[Tensor, "b n c"]:
        x = query + self.attention(self.norm_query(query), self.norm_context(context))
        out: Tensor = x + self.feed_forward(self.norm_feed_forward(x))
        return out


class SelfAttentionBlock(nn.Module):
    """One self-attention layer of Eq. 4 and 8: x + SA(LN x), then x + FF(LN x)."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, head_channels)
        self.norm_feed_forward = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        normed = self.norm(x)
        x = x + self.attention(normed, normed)
        out: Tensor = x + self.feed_forward(self.norm_feed_forward(x))
        return out
