"""The hierarchical VecSet autoencoder of the paper (section 3.2, Eq. 1 to 9, Figure 4)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.config import AutoEncoderConfig, LevelConfig
from model.field import OccupancyField, QueryAttention, fold
from model.latents import Latents
from model.nn.blocks import CrossAttentionBlock, SelfAttentionBlock
from model.nn.bottleneck import Bottleneck, KLBottleneck, NormalizedBottleneck
from model.nn.embeddings import PointEmbedding
from model.nn.fps import farthest_point_sampling


class Level(nn.Module):
    """One level: down-sampling by cross-attention, bottleneck, self-attention decoder."""

    def __init__(self, config: AutoEncoderConfig, level: LevelConfig) -> None:
        super().__init__()
        self.downsample = CrossAttentionBlock(config.channels, config.head_channels)
        bottleneck = KLBottleneck if config.bottleneck == "kl" else NormalizedBottleneck
        self.bottleneck = bottleneck(config.channels, level.channels)
        self.layers = nn.Sequential(
            *(
                SelfAttentionBlock(config.channels, config.head_channels)
                for _ in range(level.layers)
            )
        )


class AutoEncoder(nn.Module):
    """Surface points -> per-level latents -> occupancy field.

    All points are in the canonical frame: bounding-box centre at the origin, farthest surface point
    at norm 1 (paper, appendix B). Levels are kept coarse to fine throughout.
    """

    def __init__(self, config: AutoEncoderConfig) -> None:
        super().__init__()
        self.config = config
        width, head = config.channels, config.head_channels
        self.point_embedding = PointEmbedding(width)
        self.levels = nn.ModuleList(Level(config, level) for level in config.levels)
        self.upsamples = nn.ModuleList(CrossAttentionBlock(width, head) for _ in config.levels[1:])
        self.query_attentions = nn.ModuleList(QueryAttention(width, head) for _ in config.levels)
        self.to_logit = nn.Linear(width * len(config.levels), 1)

    def encode(self, points: Float[Tensor, "b n 3"], *, ordered: bool = False) -> Latents:
        """Latents of a batch of surface point clouds (Eq. 1, 6).

        Args:
            points: n >= the finest level's tokens.
            ordered: the cloud begins with its farthest-point order (as served clouds do), so that
                each level's points are a prefix; otherwise they are sampled here, from point 0.
        """
        features = self.encode_features(points, ordered=ordered)
        return Latents(
            tuple(
                bottleneck.to_latents(x)
                for bottleneck, x in zip(self._bottlenecks(), features, strict=True)
            )
        )

    def encode_regularized(
        self, points: Float[Tensor, "b n 3"], generator: torch.Generator
    ) -> tuple[Latents, Float[Tensor, ""]]:
        """Latents as training sees them, and the loss of their bottlenecks (Table 2).

        The loss is the mean over levels; a normalised bottleneck has none (0).
        """
        drawn = [
            bottleneck.regularized(x, generator)
            for bottleneck, x in zip(self._bottlenecks(), self.encode_features(points), strict=True)
        ]
        latents, losses = zip(*drawn, strict=True)
        return Latents(latents), torch.stack(losses).mean()

    def encode_features(
        self, points: Float[Tensor, "b n 3"], *, ordered: bool = False
    ) -> tuple[Float[Tensor, "b _m c"], ...]:
        """X_i of every level, coarse to fine, before the bottlenecks (Eq. 1); as `encode`."""
        finest = self.config.levels[-1].tokens
        if points.shape[1] < finest:
            raise ValueError(f"encoding needs at least {finest} points, got {points.shape[1]}")
        if ordered:
            centres = points[:, :finest]
        else:
            chosen = farthest_point_sampling(points, finest)
            centres = points.gather(1, chosen.unsqueeze(-1).expand(-1, -1, 3))
        context = self.point_embedding(points)
        queries = self.point_embedding(centres)
        features: list[Tensor] = []
        for level, config in zip(reversed(self.levels), reversed(self.config.levels), strict=True):
            assert isinstance(level, Level)
            context = level.downsample(queries[:, : config.tokens], context)
            features.append(context)
        return tuple(reversed(features))

    def decode(self, latents: Latents) -> OccupancyField:
        """The occupancy field of a batch of latents (Eq. 7 to 9)."""
        return self.fold(self.decode_features(latents))

    def fold(self, features: tuple[Float[Tensor, "b _m c"], ...]) -> OccupancyField:
        """The query function of decoded features, folded (Eq. 9)."""
        return fold(self.point_embedding, self.query_attentions, self.to_logit, features)

    def decode_features(self, latents: Latents) -> tuple[Float[Tensor, "b _m c"], ...]:
        """F_i of every level, coarse to fine (Eq. 7, 8)."""
        features: list[Tensor] = []
        for i, (level, latent) in enumerate(zip(self.levels, latents.levels, strict=True)):
            assert isinstance(level, Level)
            x = level.bottleneck.to_features(latent)
            if i > 0:
                x = x + self.upsamples[i - 1](x, features[-1])
            features.append(level.layers(x))
        return tuple(features)

    def query_reference(
        self, queries: Float[Tensor, "b q 3"], features: tuple[Float[Tensor, "b _m c"], ...]
    ) -> Float[Tensor, "b q"]:
        """Eq. 9 module by module: the readable form that `OccupancyField` must equal."""
        embedded = self.point_embedding(queries)
        attended = [
            attention(embedded, context)
            for attention, context in zip(self.query_attentions, features, strict=True)
        ]
        logits: Tensor = self.to_logit(torch.cat(attended, dim=-1))
        return logits.squeeze(-1)

    def freeze_encoder(self) -> None:
        """Leave all that latents are made by out of training: decoding alone goes on learning.

        Latents keep their meaning then, and so do denoisers trained on them. The embedding of
        points is the encoder's and the query function's both; it is frozen too.
        """
        self.point_embedding.requires_grad_(False)
        for level in self.levels:
            assert isinstance(level, Level)
            level.downsample.requires_grad_(False)
            for parameter in level.bottleneck.encoding_parameters():
                parameter.requires_grad_(False)

    def _bottlenecks(self) -> list[Bottleneck]:
        """The bottleneck of every level, coarse to fine."""
        return [level.bottleneck for level in self.levels if isinstance(level, Level)]
