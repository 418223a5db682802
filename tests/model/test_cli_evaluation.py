"""`lagem evaluate`: numbers and pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.checkpoint import load_checkpoint, save_checkpoint
from tests.model.command import refuse, succeed


@pytest.fixture
def quick_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.subjects.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.scores.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.levels.POINTS", 256)
    monkeypatch.setattr("model.evaluation.sheets.PICTURE", 24)
    monkeypatch.setattr("model.evaluation.sheets.FAMILY_PICTURE", 24)
    monkeypatch.setattr("model.evaluation.pictures._PROCEDURAL_CELLS", 24)


def evaluated(name: str, weights: Path, out: Path, *options: object) -> dict[str, Any]:
    """The report of `lagem evaluate NAME`; it is written, with its Markdown and picture, too."""
    command = ("evaluate", name, "--resolution", 8, "--weights", weights, "-o", out)
    report: dict[str, Any] = json.loads(succeed(*command, *options, "--json"))
    assert json.loads((out / f"{name}.json").read_text()) == report
    assert f"![{name}]({name}.png)" in (out / f"{name}.md").read_text()
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return report


def test_evaluate_reconstruction_writes_numbers_and_a_picture(
    shards: Path, tiny_checkpoint: Path, tmp_path: Path, quick_evaluation: None
) -> None:
    data = ("--data", shards, "--limit", 2)
    report = evaluated("reconstruction", tiny_checkpoint, tmp_path, *data)
    assert [shape["category"] for shape in report["shapes"]] == ["table", "airplane"]
    assert "| table | 1 | " in (tmp_path / "reconstruction.md").read_text()


def test_evaluate_levels_writes_numbers_and_a_picture(
    tiny_checkpoint: Path, tmp_path: Path, quick_evaluation: None
) -> None:
    family = ("--category", "lamp", "--parents", 2, "--variants", 2, "--steps", 2)
    report = evaluated("levels", tiny_checkpoint, tmp_path, *family)
    assert list(report["categories"]) == ["lamp"]
    command = ("evaluate", "levels", "--weights", tiny_checkpoint, "--category", "boat")
    assert "unknown category" in refuse(*command)


def test_evaluate_levels_needs_a_cascade(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    config = replace(checkpoint.config, cascade=None)
    save_checkpoint(tmp_path, config, checkpoint.autoencoder, None)
    assert "no cascade" in refuse("evaluate", "levels", "--weights", tmp_path)


def test_evaluate_noise_writes_numbers_and_a_picture(
    shards: Path, tiny_checkpoint: Path, tmp_path: Path, quick_evaluation: None
) -> None:
    report = evaluated("noise", tiny_checkpoint, tmp_path, "--data", shards, "--limit", 1)
    assert len(report["to_reconstruction"]) == 7


def test_evaluate_needs_shapes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = ("evaluate", "reconstruction", "--data", tmp_path, "--weights", tiny_checkpoint)
    assert "neither shards" in refuse(*command)
