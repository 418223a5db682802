"""Feature extractors: ours from its folder, and programs of all kinds of fitness."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.config import CATEGORIES
from model.evaluation.extractors import (
    BATCH,
    Extractor,
    ExtractorError,
    load_features,
    load_program,
    save_features,
)
from model.nn.pointnet import PointNet

CLOUDS = np.random.default_rng(0).normal(size=(BATCH + 3, 16, 3)).astype(np.float16)


class Extent(nn.Module):
    """Features that can be told without it: the lower and upper corner of the bounding box."""

    def forward(self, points: Tensor) -> Tensor:
        return torch.cat([points.amin(dim=1), points.amax(dim=1)], dim=1)


EXTENT = np.concatenate([CLOUDS.min(axis=1), CLOUDS.max(axis=1)], axis=1).astype(np.float64)


def exported(path: Path, *, dynamic: bool = True, points: int = 16) -> Path:
    shapes = {"points": {0: torch.export.Dim("b")}} if dynamic else None
    example = torch.zeros(BATCH, points, 3)
    torch.export.save(torch.export.export(Extent(), (example,), dynamic_shapes=shapes), path)
    return path


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    path = tmp_path / "extent.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(Extent(), torch.zeros(BATCH, 16, 3)), path)
    return path


@pytest.mark.parametrize("dynamic", [True, False])
def test_an_exported_program_gives_its_features(tmp_path: Path, dynamic: bool) -> None:
    path = exported(tmp_path / "extent.pt2", dynamic=dynamic)
    extractor = load_program(path)
    np.testing.assert_array_equal(extractor.features(CLOUDS), EXTENT)
    assert extractor.name == "extent.pt2"
    assert extractor.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert extractor.recognised(CLOUDS) is None


def test_a_torchscript_program_gives_its_features(scripted: Path) -> None:
    np.testing.assert_array_equal(load_program(scripted).features(CLOUDS), EXTENT)


def test_a_program_for_other_points_is_told_what_to_be_exported_for(tmp_path: Path) -> None:
    extractor = load_program(exported(tmp_path / "extent.pt2", points=64))
    with pytest.raises(ExtractorError, match=r"extent\.pt2, given points \(8, 16, 3\), failed: "):
        extractor.features(CLOUDS)


@pytest.mark.parametrize("name", ["weights.pt2", "weights.pt"])
def test_weights_alone_are_no_program(tmp_path: Path, name: str) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / name)
    with pytest.raises(ExtractorError, match="a file of weights alone is none"):
        load_program(tmp_path / name)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda points: (points, points), "gave a tuple"),
        (lambda points: points, r"gave \(8, 16, 3\), not \(b, f\)"),
        (lambda points: points.amax(dim=1)[:2], r"gave \(2, 3\)"),
        (lambda points: points.amax(dim=1) / 0, "not finite"),
    ],
)
def test_answers_that_are_no_features_are_refused(answer: object, complaint: str) -> None:
    with pytest.raises(ExtractorError, match=complaint):
        Extractor("wrong", "0", answer).features(CLOUDS)  # type: ignore[arg-type]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, PointNet, str]:
    torch.manual_seed(0)
    model = PointNet(len(CATEGORIES)).eval()
    folder = tmp_path / "features"
    return folder, model, save_features(folder, "mine", model, CATEGORIES, {"seed": 0})


def test_saved_features_come_back(written: tuple[Path, PointNet, str]) -> None:
    folder, model, sha256 = written
    extractor = load_features(folder)
    assert (extractor.name, extractor.sha256) == ("mine", sha256)
    points = torch.from_numpy(CLOUDS.astype(np.float32))
    expected = model.features(points).detach().double().numpy()
    np.testing.assert_allclose(extractor.features(CLOUDS), expected, atol=0.02)  # half precision
    best = model(points).argmax(dim=1).tolist()
    assert extractor.recognised(CLOUDS) == tuple(CATEGORIES[index] for index in best)


def test_damaged_features_are_refused(written: tuple[Path, PointNet, str]) -> None:
    folder, _, _ = written
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"weights_sha256": "0"}))
    with pytest.raises(ExtractorError, match="damaged"):
        load_features(folder)
    (folder / "config.json").write_text(json.dumps(config | {"format": "else"}))
    with pytest.raises(ExtractorError, match="format 'else'"):
        load_features(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ExtractorError, match=r"no model\.safetensors"):
        load_features(folder)


def test_the_bundled_features_know_the_seven_categories() -> None:
    extractor = load_features()
    assert extractor.categories == CATEGORIES
    assert extractor.features(CLOUDS).shape == (len(CLOUDS), 64)
