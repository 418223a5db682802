"""Configurations: frozen dataclasses handed down constructors, checked when made.

Levels are always listed coarse to fine, so a three-level model reads (level 3, level 2, level 1)
as in the paper's cascade. JSON-able through `to_dict` and `from_dict`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

_Config = TypeVar("_Config")

CATEGORIES = ("table", "car", "chair", "airplane", "sofa", "rifle", "lamp")
"""The paper's seven selected ShapeNet categories, in the order of its Table 4."""


BottleneckKind = Literal["normalized", "kl"]
"""The two rows of the paper's Table 2: NBAE, without a loss of its own, and the VAE's KL."""

SolverName = Literal["heun", "dpm-solver++"]
"""What follows the probability-flow ODE: `model.diffusion.sampler.SOLVERS`."""


class ConfigError(ValueError):
    """A configuration that cannot work; the message says why and what to change."""


@dataclass(frozen=True, slots=True)
class LevelConfig:
    """One level of the latent hierarchy (paper, section 3.2)."""

    tokens: int  # M_i: latent vectors in the set
    channels: int  # D_i: channels of each latent vector
    layers: int  # self-attention layers in this level's decoder (Eq. 8)

    def __post_init__(self) -> None:
        for name in ("tokens", "channels"):
            if getattr(self, name) < 2:
                raise ConfigError(f"a level needs at least 2 {name}, got {getattr(self, name)}")
        if self.layers < 0:
            raise ConfigError(f"layers cannot be negative, got {self.layers}")


@dataclass(frozen=True, slots=True)
class AutoEncoderConfig:
    """Sizes of the hierarchical VecSet autoencoder (paper, section 3.2, Table 3)."""

    channels: int  # C: feature width of every level
    levels: tuple[LevelConfig, ...]  # coarse to fine: level L first, level 1 last
    head_channels: int = 64  # channels of one attention head
    input_points: int = 8192  # N: surface points the encoder is served with
    bottleneck: str = "normalized"  # a BottleneckKind: how latents are regularised (Table 2)

    def __post_init__(self) -> None:
        if not self.levels:
            raise ConfigError("an autoencoder needs at least one level")
        _require_whole_heads(self.channels, self.head_channels)
        if self.bottleneck not in get_args(BottleneckKind):
            raise ConfigError(
                f"no bottleneck {self.bottleneck!r}: choose one of "
                f"{', '.join(get_args(BottleneckKind))}"
            )
        for level in self.levels:
            if level.channels > self.channels:
                raise ConfigError(
                    f"latents of {level.channels} channels are no bottleneck for features of "
                    f"{self.channels}: lower the level's channels (D <= C, section 3.1)"
                )
        tokens = [level.tokens for level in self.levels]
        if any(fine < coarse for coarse, fine in itertools.pairwise(tokens)):
            raise ConfigError(f"levels go coarse to fine: tokens must not shrink, got {tokens}")
        if tokens[-1] > self.input_points:
            raise ConfigError(
                f"the finest level samples {tokens[-1]} points out of input_points="
                f"{self.input_points}: raise input_points or lower its tokens"
            )

    @property
    def heads(self) -> int:
        return self.channels // self.head_channels


@dataclass(frozen=True, slots=True)
class DenoiserConfig:
    """Size of one denoising network of the cascade (paper, section 4.2)."""

    channels: int  # width of the transformer
    layers: int  # self-attention blocks
    head_channels: int = 64

    def __post_init__(self) -> None:
        _require_whole_heads(self.channels, self.head_channels)
        if self.layers < 1:
            raise ConfigError(f"a denoiser needs at least one layer, got {self.layers}")


@dataclass(frozen=True, slots=True)
class CascadeConfig:
    """The cascaded diffusion: one denoiser a level, coarse to fine (paper, section 3.3)."""

    denoisers: tuple[DenoiserConfig, ...]
    categories: tuple[str, ...] = CATEGORIES  # conditions C; "no category" is always one more
    condition_noise: float = 0.1  # largest noise added to coarser latents in training

    def __post_init__(self) -> None:
        if repeated := {name for name in self.categories if self.categories.count(name) > 1}:
            raise ConfigError(f"categories must differ, {sorted(repeated)} stand there twice")
        if not all(self.categories):
            raise ConfigError("a category needs a name: '' stands for no category")
        if not 0 <= self.condition_noise < float("inf"):
            raise ConfigError(f"condition_noise cannot be {self.condition_noise}: 0 or more")


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """What a request gets when it does not say (documented in the model card).

    The defaults here are those of a model that does not say either, and stand nowhere else.
    """

    resolution: int = 128  # cells per side of the extraction grid
    steps: int = 18  # noise levels of the solver
    guidance: float = 1.0  # 1: the conditional model alone
    solver: str = "heun"  # a SolverName
    guidance_level: int = 1  # the finest level that is guided; finer ones are conditional alone

    def __post_init__(self) -> None:
        leasts = {"resolution": 8, "steps": 2, "guidance": 0, "guidance_level": 1}
        for name, least in leasts.items():
            if not least <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.solver not in get_args(SolverName):
            raise ConfigError(
                f"no solver {self.solver!r}: choose one of {', '.join(get_args(SolverName))}"
            )


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything needed to build a model; stored beside its weights as config.json."""

    name: str
    version: str
    licence: str
    autoencoder: AutoEncoderConfig
    cascade: CascadeConfig | None = None
    sampling: SamplingDefaults = SamplingDefaults()

    def __post_init__(self) -> None:
        if self.cascade and len(self.cascade.denoisers) != len(self.autoencoder.levels):
            raise ConfigError(
                f"the cascade has {len(self.cascade.denoisers)} denoisers for "
                f"{len(self.autoencoder.levels)} levels: it needs one a level"
            )
        if self.sampling.guidance_level > len(self.autoencoder.levels):
            raise ConfigError(
                f"guidance_level cannot be {self.sampling.guidance_level}: the coarsest level is "
                f"{len(self.autoencoder.levels)}"
            )
        if self.cascade and self.autoencoder.bottleneck != "normalized":
            raise ConfigError(
                f"a cascade needs standardised latents (EDM's sigma_data is 1): the bottleneck "
                f"must be 'normalized', not {self.autoencoder.bottleneck!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Build from plain values (parsed JSON); unknown keys are a ConfigError naming them."""
        values = dict(values)
        autoencoder = dict(values.pop("autoencoder"))
        autoencoder["levels"] = tuple(
            _from_values(LevelConfig, level) for level in autoencoder["levels"]
        )
        cascade = values.pop("cascade", None)
        if cascade is not None:
            cascade = dict(cascade)
            cascade["denoisers"] = tuple(
                _from_values(DenoiserConfig, denoiser) for denoiser in cascade["denoisers"]
            )
            cascade["categories"] = tuple(cascade["categories"])
            cascade = _from_values(CascadeConfig, cascade)
        return _from_values(
            cls,
            values
            | {
                "autoencoder": _from_values(AutoEncoderConfig, autoencoder),
                "cascade": cascade,
                "sampling": _from_values(SamplingDefaults, values.pop("sampling", {})),
            },
        )


def _from_values(cls: type[_Config], values: Mapping[str, Any]) -> _Config:
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := set(values) - known:
        raise ConfigError(
            f"{cls.__name__} does not know {sorted(unknown)}; it knows {sorted(known)}"
        )
    return cls(**values)


def _require_whole_heads(channels: int, head_channels: int) -> None:
    if min(channels, head_channels) < 1 or channels % head_channels:
        raise ConfigError(
            f"channels ({channels}) must be a positive multiple of head_channels "
            f"({head_channels}): every head gets whole channels"
        )


_OBJAVERSE_LEVELS = (LevelConfig(128, 64, 8), LevelConfig(512, 32, 8), LevelConfig(2048, 16, 8))
_SHAPENET_LEVELS = (LevelConfig(32, 32, 8), LevelConfig(128, 16, 8), LevelConfig(512, 8, 8))

PRESETS = {
    # Small enough for two CPU cores; scores in model/weights/starter/README.md.
    "starter": ModelConfig(
        name="starter",
        version="0.4",
        licence="MIT",
        autoencoder=AutoEncoderConfig(
            channels=128,
            levels=(LevelConfig(32, 32, 3), LevelConfig(128, 16, 3), LevelConfig(256, 8, 2)),
        ),
        cascade=CascadeConfig(
            denoisers=(
                DenoiserConfig(channels=192, layers=4),
                DenoiserConfig(channels=192, layers=4),
                DenoiserConfig(channels=192, layers=4),
            )
        ),
        sampling=SamplingDefaults(steps=24, guidance=2.0, solver="dpm-solver++", guidance_level=3),
    ),
    # The paper's sizes (Table 3, sections 4.1 and 4.2); not trained here, scores are the paper's
    # own: mean Chamfer x100 and F-score x100 over all ShapeNet categories (Table 4).
    "lagem-objaverse": ModelConfig(  # 2.42 and 98.93; the released autoencoder is this one
        name="lagem-objaverse",
        version="paper",
        licence="MIT",
        autoencoder=AutoEncoderConfig(channels=1024, levels=_OBJAVERSE_LEVELS),
        cascade=CascadeConfig((DenoiserConfig(channels=768, layers=24),) * 3, categories=()),
    ),
    "lagem-shapenet": ModelConfig(  # 4.63 and 93.47
        name="lagem-shapenet",
        version="paper",
        licence="MIT",
        autoencoder=AutoEncoderConfig(channels=512, levels=_SHAPENET_LEVELS),
        cascade=CascadeConfig((DenoiserConfig(channels=768, layers=12),) * 3),
    ),
    # The baseline of Tables 3 to 5: VecSet is the case of one level (Figure 3).
    "vecset-objaverse": ModelConfig(  # no score in the paper: one GPU could not hold its batch
        name="vecset-objaverse",
        version="paper",
        licence="MIT",
        autoencoder=AutoEncoderConfig(channels=1024, levels=(LevelConfig(2048, 64, 24),)),
    ),
    "vecset-shapenet": ModelConfig(  # 4.68 and 93.25
        name="vecset-shapenet",
        version="paper",
        licence="MIT",
        autoencoder=AutoEncoderConfig(channels=512, levels=(LevelConfig(512, 8, 24),)),
    ),
}
