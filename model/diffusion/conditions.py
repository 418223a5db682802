"""Conditions of a denoiser: the coarser levels, and the slot C of Eq. 10.

C is "optional condition information (e.g., text, images, or categories)"; here it is a category.
Another kind enters in one of two ways, both in `Denoiser.condition`:

- an embedding of the whole (a pooled text or image embedding), projected to the denoiser's width,
  is added to `Conditions.vector`;
- a set of tokens (words, image patches) becomes one more context: a `ConditionAttention` of its own
  in `Denoiser.gather`, exactly as a coarser level does (Eq. 11, 12).

Everything in `Conditions` is computed once per sample: it does not change over the noise levels.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from model.nn.attention import Attention

KeysValues = tuple[Tensor, Tensor]  # of one context: (b, heads, tokens, head channels) each


@dataclass(frozen=True)
class Conditions:
    """What a denoising stage is conditioned on, embedded."""

    vector: Float[Tensor, "b c"]  # C as one vector; joins the noise level in the modulation
    contexts: tuple[KeysValues, ...]  # of the coarser latent sets, coarse to fine


class ConditionAttention(nn.Module):
    """CA(., Z_j): gathers from one coarser latent set (Eq. 11, 12)."""

    def __init__(self, channels: int, head_channels: int, latent_channels: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(latent_channels, channels)
        self.norm_query = nn.LayerNorm(channels)
        self.norm_context = nn.LayerNorm(channels)
        self.attention = Attention(channels, head_channels)

    def keys_values(self, latents: Float[Tensor, "b m d"]) -> KeysValues:
        """Keys and values of the set, for all noise levels."""
        return self.attention.keys_values(self.norm_context(self.embedding(latents)))

    def forward(self, x: Float[Tensor, "b m c"], context: KeysValues) -> Float[Tensor, "b m c"]:
        out: Tensor = x + self.attention.attend(self.norm_query(x), *context)
        return out
