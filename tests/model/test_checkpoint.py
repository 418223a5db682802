from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model.autoencoder import AutoEncoder
from model.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from model.config import AutoEncoderConfig, LevelConfig, ModelConfig

CONFIG = ModelConfig("tiny", "1", "MIT", AutoEncoderConfig(64, (LevelConfig(4, 4, 1),)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path, CONFIG, AutoEncoder(CONFIG.autoencoder), None, torch.float32)
    return tmp_path


def test_a_checkpoint_comes_back_as_saved(tmp_path: Path) -> None:
    model = AutoEncoder(CONFIG.autoencoder)
    sha256 = save_checkpoint(tmp_path, CONFIG, model, None, torch.float32)
    loaded = load_checkpoint(tmp_path)
    assert (loaded.config, loaded.cascade, loaded.sha256) == (CONFIG, None, sha256)
    for one, other in zip(loaded.autoencoder.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_half_precision_halves_the_file(tmp_path: Path, folder: Path) -> None:
    save_checkpoint(tmp_path / "half", CONFIG, AutoEncoder(CONFIG.autoencoder), None)
    sizes = [(place / WEIGHTS_FILE).stat().st_size for place in (tmp_path / "half", folder)]
    assert 0.49 < sizes[0] / sizes[1] < 0.55
    assert load_checkpoint(tmp_path / "half").autoencoder.to_logit.weight.dtype == torch.float32


def test_a_changed_byte_is_noticed(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(folder)


def test_weights_that_do_not_fit_the_config_are_named(folder: Path) -> None:
    described = json.loads((folder / CONFIG_FILE).read_text())
    described["model"]["autoencoder"]["levels"][0]["layers"] = 2
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=r"missing .*layers\.1"):
        load_checkpoint(folder)


def test_a_folder_without_a_checkpoint_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_checkpoint(tmp_path)


def test_another_format_is_refused(folder: Path) -> None:
    described = json.loads((folder / CONFIG_FILE).read_text()) | {"format": "lagem-weights-9"}
    (folder / CONFIG_FILE).write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match="lagem-weights-9"):
        load_checkpoint(folder)
