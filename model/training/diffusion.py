"""Stage 2: the denoisers of the cascade, on latents of a frozen autoencoder (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from tqdm import tqdm

from model.autoencoder import AutoEncoder
from model.data.datasets import BatchConfig, TrainingShapes
from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import edm_loss
from model.latents import Latents
from model.training.loop import TrainingConfig, fit

NO_CATEGORY_PROBABILITY = 0.1  # of dropping the category, for guidance and unconditional sampling


@dataclass(frozen=True)
class LatentSet:
    """Latents of training shapes with their categories, made once by `encode_shapes`."""

    latents: Latents
    category: Int64[Tensor, "n"]  # -1 where the shape has no label


@torch.inference_mode()
def encode_shapes(
    autoencoder: AutoEncoder,
    shapes: TrainingShapes,
    batch: BatchConfig,
    count: int,
    seed: int,
) -> LatentSet:
    """Latents of `count` augmented draws (Z_i of Eq. 10), computed once and kept."""
    generator = torch.Generator(shapes.category.device).manual_seed(seed)
    latents, categories = [], []
    for _ in tqdm(range(0, count, batch.shapes), desc="encode", unit="batch", disable=None):
        drawn = shapes.draw(batch, generator)
        latents.append(autoencoder.encode(drawn.surface))
        categories.append(drawn.category)
    return LatentSet(Latents.concatenate(latents), torch.cat(categories))


def denoising_loss(
    denoiser: Denoiser,
    data: LatentSet,
    index: int,  # of the level, coarse to fine
    batch: int,
    condition_noise: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """One term of Eq. 10 on a random batch.

    The category is dropped now and then, and the coarser latents get a little noise, so that the
    stage tolerates sampled ones (Ho et al. 2022).
    """
    device = data.category.device
    rows = torch.randint(len(data.category), (batch,), generator=generator, device=device)
    category = data.category[rows]
    dropped = torch.rand(batch, generator=generator, device=device) < NO_CATEGORY_PROBABILITY
    category = torch.where(dropped | (category < 0), denoiser.no_category, category)
    sets = [level[rows] for level in data.latents.levels[: index + 1]]
    coarser = [_noised(level, condition_noise, generator) for level in sets[:-1]]
    conditions = denoiser.condition(category, coarser)
    return {"loss": edm_loss(denoiser, sets[-1], conditions, generator)}


def train_denoiser(
    denoiser: Denoiser,
    data: LatentSet,
    index: int,
    folder: Path,
    training: TrainingConfig,
    batch: int = 64,
    condition_noise: float = 0.1,
) -> nn.Module:
    """Train (or go on training) one level's denoiser; returns its averaged copy."""

    def loss(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        assert isinstance(module, Denoiser)
        return denoising_loss(module, data, index, batch, condition_noise, generator)

    return fit(denoiser, loss, replace(training, samples=batch), folder)


def _noised(
    latents: Float[Tensor, "b m d"], largest: float, generator: torch.Generator
) -> Float[Tensor, "b m d"]:
    """Add Gaussian noise of a random strength in [0, largest], one a row."""
    device = latents.device
    strength = largest * torch.rand(len(latents), 1, 1, generator=generator, device=device)
    return latents + strength * torch.randn(latents.shape, generator=generator, device=device)
