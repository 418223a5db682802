from __future__ import annotations

import json

import pytest

from model.config import (
    PRESETS,
    AutoEncoderConfig,
    ConfigError,
    DenoiserConfig,
    LevelConfig,
    ModelConfig,
)

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
        (lambda: DenoiserConfig(128, 0), "at least one layer"),
    ],
)
def test_an_impossible_configuration_says_why(build: object, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        build()  # type: ignore[operator]


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
