"""The occupancy field of decoded shapes: the query function O(p) of Eq. 9.

Between the 51 Fourier features of p and the logit stand only a linear layer, a layer norm, the
query projection, softmax attention and two more linear layers, so everything that does not depend
on p folds, exactly, into a few numbers per head and token (docs/model.md derives it):

    logit(p) = bias + sum_{levels, heads} sum_j softmax_j(b_j . u(p)) v_j
    u(p) = [e(p) / s(p), 1]

with e(p) = [fourier features, 1] (52 numbers), s(p)^2 a quadratic form in e (the layer norm's
variance), b_j 53 numbers per head and token and v_j one. The unfolded modules are the readable
reference: `AutoEncoder.query_reference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.nn.attention import Attention
from model.nn.embeddings import PointEmbedding, fourier_features

# How many queries are asked at once, by the scores of one head; measured on a CPU
# (docs/decisions/0013-grid-tables.md).
_SCORES, _FEWEST, _MOST = 2**20, 128, 4096


class QueryAttention(nn.Module):
    """CA(p, F_i) of Eq. 9 for one level: pre-norm attention, no residual, no feed-forward."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(channels)
        self.norm_context = nn.LayerNorm(channels)
        self.attention = Attention(channels, head_channels)

    def forward(
        self, embedded: Float[Tensor, "b q c"], features: Float[Tensor, "b m c"]
    ) -> Float[Tensor, "b q c"]:
        out: Tensor = self.attention(self.norm_query(embedded), self.norm_context(features))
        return out


@dataclass(frozen=True)
class OccupancyField:
    """Decoded shapes ready to be asked: queries in the canonical frame -> logits, positive inside.

    Owns everything it needs and no reference to the model; made by `AutoEncoder.decode`.
    """

    variance_form: Float[Tensor, "52 52"]  # quadratic form whose value at e is s^2 - eps
    variance_eps: float
    keys: tuple[Float[Tensor, "b h _m 53"], ...]  # b_j of every level, coarse to fine
    values: tuple[Float[Tensor, "b h _m"], ...]  # v_j of every level
    bias: Float[Tensor, "b"]

    def __len__(self) -> int:
        return len(self.bias)

    def __call__(self, queries: Float[Tensor, "b q 3"]) -> Float[Tensor, "b q"]:
        """Logits of occupancy at points of the canonical frame (Eq. 9)."""
        u = self._query_vectors(queries)
        bias = self.bias.unsqueeze(-1)
        if u.device.type == "cuda" and not u.requires_grad and find_spec("triton"):
            from model import fieldkernel  # noqa: PLC0415 - triton comes with torch for GPUs alone

            return bias + fieldkernel.attended(u, self.keys, self.values)
        parts = u.split(self._at_once, dim=1)
        return torch.cat([bias + self._attended(part) for part in parts], dim=1)

    @property
    def _at_once(self) -> int:
        """Queries whose scores of one head stay in a core's cache, or nearly so."""
        most = max((key.shape[2] for key in self.keys), default=1)
        return min(max(_SCORES // most, _FEWEST), _MOST)

    def _attended(self, u: Float[Tensor, "b q 53"]) -> Float[Tensor, "b q"]:
        """Sum over levels and heads of softmax(keys . u) . values.

        The greatest score is taken out of the exponentials; it cancels, in the gradient too.
        """
        total = torch.zeros_like(u[..., 0])
        for keys, values in zip(self.keys, self.values, strict=True):
            for key, value in zip(keys.unbind(1), values.unbind(1), strict=True):
                scores = u @ key.mT  # (b, q, m)
                weights = scores.sub_(scores.detach().amax(-1, keepdim=True)).exp_()
                weighted = (weights @ value.unsqueeze(-1)).squeeze(-1)
                total = total + weighted / weights.sum(-1)
        return total

    def _query_vectors(self, queries: Float[Tensor, "b q 3"]) -> Float[Tensor, "b q 53"]:
        ones = torch.ones_like(queries[..., :1])
        e = torch.cat([fourier_features(queries), ones], dim=-1)
        variance = ((e @ self.variance_form) * e).sum(-1, keepdim=True) + self.variance_eps
        return torch.cat([e * variance.rsqrt(), ones], dim=-1)


def fold(
    embedding: PointEmbedding,
    attentions: nn.ModuleList,  # QueryAttention a level, coarse to fine
    to_logit: nn.Linear,
    features: tuple[Float[Tensor, "b _m c"], ...],  # F_i a level, coarse to fine
) -> OccupancyField:
    """Fold Eq. 9's modules and decoded features into an OccupancyField. Differentiable."""
    weight = torch.cat([embedding.projection.weight, embedding.projection.bias[:, None]], dim=1)
    centred = weight - weight.mean(dim=0, keepdim=True)
    channels = weight.shape[0]
    keys, values = [], []
    bias: Tensor = to_logit.bias
    readouts = to_logit.weight.view(len(attentions), channels)
    for attention, readout, context in zip(attentions, readouts, features, strict=True):
        assert isinstance(attention, QueryAttention)
        eps = attention.norm_query.eps
        key, value, level_bias = _fold_level(attention, readout, context, centred)
        keys.append(key)
        values.append(value)
        bias = bias + level_bias
    return OccupancyField(
        variance_form=centred.mT @ centred / channels,
        variance_eps=eps,
        keys=tuple(keys),
        values=tuple(values),
        bias=bias.expand(len(features[0])),
    )


def _fold_level(
    level: QueryAttention,
    readout: Float[Tensor, "c"],  # this level's slice of the final linear layer
    features: Float[Tensor, "b m c"],
    centred: Float[Tensor, "c 52"],  # point embedding with its column means taken out
) -> tuple[Float[Tensor, "b h m 53"], Float[Tensor, "b h m"], Float[Tensor, ""]]:
    """Keys b_j, values v_j and constant of one level."""
    attention, norm = level.attention, level.norm_query
    split = (attention.heads, attention.head_channels)
    key, value = attention.keys_values(level.norm_context(features))
    to_q = attention.to_q.weight
    query_map = torch.cat([to_q @ (norm.weight[:, None] * centred), (to_q @ norm.bias)[:, None]], 1)
    scale = attention.head_channels**-0.5
    folded_key = torch.einsum("bhme,hed->bhmd", key * scale, query_map.unflatten(0, split))
    value_map = (readout @ attention.to_out.weight).unflatten(0, split)
    folded_value = torch.einsum("bhme,he->bhm", value, value_map)
    return folded_key, folded_value, readout @ attention.to_out.bias
