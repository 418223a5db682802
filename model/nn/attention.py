"""The one attention of this project: multi-head, through PyTorch's fused SDPA."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention CA(Q, K, V) with K = V = context (paper, section 3.1).

    Self-attention is the case where the context is the query set itself. Queries, keys and values
    are projected without bias, the output with one.
    """

    def __init__(
        self,
        channels: int,  # width of queries and of the result
        head_channels: int,  # width of one head
        context_channels: int | None = None,  # width of the context; the queries' when None
    ) -> None:
        super().__init__()
        self.head_channels = head_channels
        self.heads = channels // head_channels
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_kv = nn.Linear(context_channels or channels, 2 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)

    def forward(
        self, query: Float[Tensor, "b n c"], context: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b n c"]:
        return self.attend(query, *self.keys_values(context))

    def keys_values(
        self, context: Float[Tensor, "b m d"]
    ) -> tuple[Float[Tensor, "b h m e"], Float[Tensor, "b h m e"]]:
        """Keys and values of a context, for reuse while the context stays the same."""
        key, value = self.to_kv(context).chunk(2, dim=-1)
        return self._split_heads(key), self._split_heads(value)

    def attend(
        self,
        query: Float[Tensor, "b n c"],
        key: Float[Tensor, "b h m e"],
        value: Float[Tensor, "b h m e"],
    ) -> Float[Tensor, "b n c"]:
        """Attend to keys and values made before by `keys_values`."""
        attended = F.scaled_dot_product_attention(self._split_heads(self.to_q(query)), key, value)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out

    def _split_heads(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b h n e"]:
        split: Tensor = tokens.unflatten(-1, (self.heads, self.head_channels))
        return split.transpose(1, 2)
