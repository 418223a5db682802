from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from model.autoencoder import AutoEncoder
from model.config import (
    PRESETS,
    AutoEncoderConfig,
    CascadeConfig,
    ConfigError,
    DenoiserConfig,
    LevelConfig,
    ModelConfig,
    SamplingDefaults,
)
from model.diffusion.cascade import Cascade

LEVELS = (LevelConfig(8, 4, 1), LevelConfig(16, 4, 1))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    config = PRESETS[name]
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (lambda: LevelConfig(0, 8, 1), "tokens"),
        (lambda: LevelConfig(8, 1, 1), "channels"),
        (lambda: LevelConfig(8, 8, -1), "layers"),
        (lambda: AutoEncoderConfig(96, LEVELS), "multiple of head_channels"),
        (lambda: AutoEncoderConfig(128, ()), "at least one level"),
        (lambda: AutoEncoderConfig(128, LEVELS[::-1]), "coarse to fine"),
        (lambda: AutoEncoderConfig(128, LEVELS, input_points=8), "input_points"),
        (lambda: DenoiserConfig(100, 2), "multiple of head_channels"),
        (lambda: AutoEncoderConfig(0, LEVELS), "positive multiple"),
        (lambda: AutoEncoderConfig(64, (LevelConfig(8, 65, 1),)), "no bottleneck for features"),
        (lambda: AutoEncoderConfig(64, LEVELS, bottleneck="vq"), "choose one of normalized, kl"),
        (lambda: DenoiserConfig(128, 0), "at least one layer"),
        (lambda: DenoiserConfig(128, 2, head_channels=-64), "positive multiple"),
        (lambda: CascadeConfig((), categories=("a", "b", "a")), r"\['a'\] stand there twice"),
        (lambda: CascadeConfig((), categories=("",)), "needs a name"),
        (lambda: CascadeConfig((), condition_noise=-0.1), "condition_noise"),
        (lambda: SamplingDefaults(steps=1), "steps must be at least 2"),
        (lambda: SamplingDefaults(guidance=float("nan")), "guidance must be at least 0"),
        (lambda: SamplingDefaults(guidance_level=0), "guidance_level must be at least 1"),
        (
            lambda: replace(PRESETS["starter"], sampling=SamplingDefaults(guidance_level=4)),
            "the coarsest level is 3",
        ),
        (lambda: SamplingDefaults(solver="euler"), r"'euler': choose one of heun, dpm-solver\+\+"),
    ],
)
def test_an_impossible_configuration_says_why(build: object, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        build()  # type: ignore[operator]


def test_a_file_without_solver_means_heuns_guided_on_all_levels() -> None:
    sampling = SamplingDefaults(solver="dpm-solver++", guidance_level=3)
    config = replace(PRESETS["starter"], sampling=sampling)
    values = json.loads(json.dumps(config.to_dict()))
    assert ModelConfig.from_dict(values) == config
    del values["sampling"]["solver"], values["sampling"]["guidance_level"]
    assert ModelConfig.from_dict(values).sampling == SamplingDefaults()


def test_a_cascade_needs_a_denoiser_a_level() -> None:
    values = PRESETS["starter"].to_dict()
    values["cascade"]["denoisers"] = values["cascade"]["denoisers"][:2]
    with pytest.raises(ConfigError, match="2 denoisers for 3 levels"):
        ModelConfig.from_dict(values)


def test_an_unknown_key_is_named_with_the_known_ones() -> None:
    values = PRESETS["starter"].to_dict()
    values["sampling"]["stepz"] = 3
    with pytest.raises(ConfigError, match=r"\['stepz'\].*steps"):
        ModelConfig.from_dict(values)


def test_a_cascade_needs_standardised_latents() -> None:
    starter = PRESETS["starter"]
    with pytest.raises(ConfigError, match="must be 'normalized', not 'kl'"):
        replace(starter, autoencoder=replace(starter.autoencoder, bottleneck="kl"))


def autoencoder_parameters(config: AutoEncoderConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in AutoEncoder(config).parameters())


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("lagem-objaverse", 499.85),  # Table 3
        ("lagem-shapenet", 125.09),  # Table 3 has 125.15, with latents of 64/32/16 channels
        ("vecset-shapenet", 106.12),
        ("vecset-objaverse", 424.18),
    ],
)
def test_a_paper_preset_has_the_papers_number_of_parameters(name: str, millions: float) -> None:
    count = autoencoder_parameters(PRESETS[name].autoencoder)
    assert round(count / 1e6, 2) == millions


@pytest.mark.parametrize(("name", "millions"), [("shapenet", 106.13), ("objaverse", 424.24)])
def test_vecset_with_its_kl_bottleneck_is_table_3s_to_the_digit(name: str, millions: float) -> None:
    config = replace(PRESETS[f"vecset-{name}"].autoencoder, bottleneck="kl")
    assert round(autoencoder_parameters(config) / 1e6, 2) == millions


@pytest.mark.parametrize(("name", "layers"), [("lagem-shapenet", 12), ("lagem-objaverse", 24)])
def test_the_papers_denoisers_have_768_channels(name: str, layers: int) -> None:
    config = PRESETS[name]
    assert config.cascade is not None
    with torch.device("meta"):
        cascade = Cascade(config.cascade, config.autoencoder)
    for denoiser in cascade.denoisers:
        assert (len(denoiser.blocks), denoiser.embedding.out_features) == (layers, 768)


def test_objaverse_is_generated_without_categories() -> None:
    cascade = PRESETS["lagem-objaverse"].cascade
    assert cascade is not None
    assert cascade.categories == ()
