"""Stage 1: the autoencoder (paper, section 4.1 and appendix E)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.autoencoder import AutoEncoder
from model.data.datasets import BatchConfig, TrainingShapes
from model.training.hiding import Hiding
from model.training.loop import TrainingConfig, fit

KL_WEIGHT = 1e-3  # of a KL bottleneck's divergence, as VecSet trains (not stated in the paper)
NOTHING_HIDDEN = Hiding()  # the paper's training


def reconstruction_loss(
    model: AutoEncoder,
    shapes: TrainingShapes,
    batch: BatchConfig,
    near_weight: float,
    hiding: Hiding,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Binary cross-entropy on volume and near-surface queries (Eq. 14, 15).

    The paper weighs the near-surface term by 0.1. Half of the volume queries are inside although
    far less than half of the volume is, so the volume term alone thickens thin parts; a larger
    weight on the near-surface term, whose labels come as they fall, sets that right. A KL
    bottleneck adds its divergence (Table 2), a normalised one nothing.
    """
    drawn = shapes.draw(batch, generator)
    latents, latent_loss = model.encode_regularized(drawn.surface, generator)
    features = model.decode_features(hiding(latents, generator))
    queries = torch.cat([drawn.volume, drawn.near], dim=1)
    logits = query(model, queries, features)
    volume, near = logits.split([drawn.volume.shape[1], drawn.near.shape[1]], dim=1)
    volume_loss = F.binary_cross_entropy_with_logits(volume, drawn.volume_labels)
    near_loss = F.binary_cross_entropy_with_logits(near, drawn.near_labels)
    return {
        "loss": volume_loss + near_weight * near_loss + KL_WEIGHT * latent_loss,
        "volume_loss": volume_loss,
        "near_loss": near_loss,
        "volume_accuracy": ((volume > 0) == (drawn.volume_labels > 0.5)).float().mean(),
        "near_accuracy": ((near > 0) == (drawn.near_labels > 0.5)).float().mean(),
    }


def query(
    model: AutoEncoder,
    queries: Float[Tensor, "b q 3"],
    features: tuple[Float[Tensor, "b _m c"], ...],  # F_i a level, coarse to fine
) -> Float[Tensor, "b q"]:
    """Eq. 9 in the form that trains fastest; both have the same values and gradients.

    Folded, a query costs the fewest operations, but autograd keeps its scores: one number a head
    and token, 43,008 at the paper's size. On a GPU the modules' fused attention keeps none.
    """
    if queries.device.type == "cuda":
        return model.query_reference(queries, features).float()
    with torch.autocast(queries.device.type, enabled=False):
        return model.fold(tuple(x.float() for x in features))(queries)


def train_autoencoder(
    model: AutoEncoder,
    shapes: TrainingShapes,
    folder: Path,
    training: TrainingConfig,
    batch: BatchConfig,
    near_weight: float = 0.1,
    hiding: Hiding = NOTHING_HIDDEN,
) -> nn.Module:
    """Train (or go on training) an autoencoder; returns its averaged copy."""

    def loss(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        assert isinstance(module, AutoEncoder)
        return reconstruction_loss(module, shapes, batch, near_weight, hiding, generator)

    return fit(model, loss, training, folder)
