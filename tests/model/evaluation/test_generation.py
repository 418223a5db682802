"""Scores of sets of shapes, and a tiny model scored end to end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from torch import Tensor

from model.checkpoint import load_checkpoint, save_checkpoint
from model.cli import main
from model.diffusion.cascade import Cascade
from model.evaluation.extractors import Extractor, load_features
from model.evaluation.generation import ShapeSet, compare, evaluate_generation
from model.evaluation.generation_report import UNCONDITIONAL, GenerationProtocol
from model.geometry.mesh import export_mesh
from model.pipeline import CapabilityError, ShapePipeline
from tests.shapes import box

PROTOCOL = GenerationProtocol(
    seed=3, steps=2, guidance=1.0, resolution=8, solver="heun", guidance_level=1, points=64
)


def corners(points: Tensor) -> Tensor:
    return torch.cat([points.amin(dim=1), points.amax(dim=1)], dim=1)


EXTRACTOR = Extractor("corners", "0" * 64, corners)


def balls(radii: list[float], seed: int = 0) -> np.ndarray:
    directions = np.random.default_rng(seed).normal(size=(len(radii), 64, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return (directions * np.array(radii)[:, None, None]).astype(np.float16)


REFERENCES = ShapeSet.of(balls([0.5, 0.6, 0.7, 0.8]), EXTRACTOR)


def test_copies_of_the_references_are_at_no_distance() -> None:
    scores = compare(ShapeSet.of(balls([0.5, 0.6, 0.7, 0.8]), EXTRACTOR), REFERENCES)
    assert scores.fpd == pytest.approx(0.0, abs=1e-9)
    assert (scores.mmd, scores.coverage, scores.nearest_neighbour) == (0.0, 1.0, 0.0)
    assert scores.recognised is None


def test_scores_get_worse_with_the_distance() -> None:
    near, far = (
        compare(ShapeSet.of(balls(radii, seed=1), EXTRACTOR), REFERENCES)
        for radii in ([0.52, 0.61, 0.71, 0.79], [0.1, 0.1, 0.1, 0.1])
    )
    assert near.fpd is not None
    assert far.fpd is not None
    assert near.fpd < far.fpd
    assert near.mmd is not None
    assert far.mmd is not None
    assert near.mmd < 0.2 < far.mmd
    assert far.coverage == 0.25
    assert far.nearest_neighbour == 1.0


def test_shapes_without_surface_count_against_the_set() -> None:
    points = balls([0.52, 0.61], seed=1)
    sound = compare(ShapeSet.of(points, EXTRACTOR), REFERENCES)
    worse = compare(ShapeSet.of(points, EXTRACTOR, failed=2), REFERENCES)
    assert (worse.fpd, worse.kpd, worse.mmd) == (sound.fpd, sound.kpd, sound.mmd)
    assert worse.coverage == sound.coverage
    assert worse.nearest_neighbour is not None
    assert sound.nearest_neighbour is not None
    assert worse.nearest_neighbour > sound.nearest_neighbour


def test_a_set_without_any_surface_has_the_scores_that_are_defined() -> None:
    scores = compare(ShapeSet.of(balls([]), EXTRACTOR, failed=3), REFERENCES)
    assert (scores.fpd, scores.kpd, scores.mmd, scores.coverage) == (None, None, None, 0.0)
    assert scores.nearest_neighbour == pytest.approx(1.0)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References: two chairs and three lamps, all of them boxes."""
    return _boxes(tmp_path_factory.mktemp("boxes"), 0.0)


@pytest.fixture(scope="module")
def other_boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _boxes(tmp_path_factory.mktemp("others"), 0.1)


def _boxes(folder: Path, more: float) -> Path:
    for category, count in (("chair", 2), ("lamp", 3)):
        (folder / category).mkdir()
        for i in range(count):
            mesh = box((1.0, 1.0 + i + more, 2.0)).mesh
            (folder / category / f"{i}.ply").write_bytes(export_mesh(mesh, "ply"))
    return folder


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> ShapePipeline:
    return ShapePipeline.load(tiny_checkpoint, device="cpu")


def test_categories_with_references_are_sampled_and_scored(
    pipeline: ShapePipeline, boxes: Path
) -> None:
    report, picture = evaluate_generation(pipeline, EXTRACTOR, boxes, PROTOCOL)
    assert [(row.category, row.shapes, row.references) for row in report.samples] == [
        ("chair", 2, 2),
        ("lamp", 3, 3),
    ]
    assert report.baseline == ()
    assert (report.data, report.extractor) == (boxes.name, "corners")
    assert picture.height > 200  # two rows
    again, _ = evaluate_generation(pipeline, EXTRACTOR, boxes, PROTOCOL)
    assert again == report


def test_a_baseline_is_scored_in_the_samples_place(
    pipeline: ShapePipeline, boxes: Path, other_boxes: Path
) -> None:
    protocol = replace(PROTOCOL, samples=2)
    report, _ = evaluate_generation(
        pipeline, EXTRACTOR, boxes, protocol, categories=["lamp"], baseline=other_boxes
    )
    [row] = report.baseline
    assert (row.category, row.shapes, row.failed, row.references) == ("lamp", 2, 0, 3)
    assert row.scores.whole is None
    assert row.scores.mmd is not None
    assert report.samples[0].scores.mmd is not None
    assert row.scores.mmd < report.samples[0].scores.mmd


def test_samples_without_category_are_compared_with_all_references(
    pipeline: ShapePipeline, boxes: Path
) -> None:
    report, _ = evaluate_generation(
        pipeline, EXTRACTOR, boxes, replace(PROTOCOL, samples=2), categories=[UNCONDITIONAL] * 2
    )
    [row] = report.samples
    assert (row.category, row.shapes, row.references) == (UNCONDITIONAL, 2, 5)


def test_samples_without_category_have_every_figure_but_recognised(
    pipeline: ShapePipeline, boxes: Path, other_boxes: Path
) -> None:
    report, _ = evaluate_generation(
        pipeline,
        load_features(),
        boxes,
        replace(PROTOCOL, samples=3, points=2048),
        categories=[UNCONDITIONAL],
        baseline=other_boxes,
    )
    unknown = [
        {name for name, figure in asdict(row.scores).items() if figure is None}
        for row in (*report.samples, *report.baseline)
    ]
    assert unknown == [{"recognised"}, {"recognised", "whole"}]
    assert report.to_dict()["mean"] == {"samples": None, "baseline": None}


def test_a_model_without_categories_is_compared_with_all_shapes(
    tiny_checkpoint: Path, boxes: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    assert checkpoint.config.cascade is not None
    bare = replace(checkpoint.config.cascade, categories=())
    config = replace(checkpoint.config, cascade=bare)
    save_checkpoint(tmp_path, config, checkpoint.autoencoder, Cascade(bare, config.autoencoder))
    pipeline = ShapePipeline.load(tmp_path, device="cpu")
    protocol = replace(PROTOCOL, samples=2)
    for asked in ((), (UNCONDITIONAL,)):
        report, _ = evaluate_generation(
            pipeline, EXTRACTOR, boxes, protocol, categories=asked, baseline=boxes
        )
        for [row] in (report.samples, report.baseline):
            assert (row.category, row.shapes, row.references) == (UNCONDITIONAL, 2, 5)


def test_samples_without_surface_are_counted(
    pipeline: ShapePipeline, boxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = pipeline.autoencoder.to_logit.bias
    monkeypatch.setattr(bias, "data", bias.data - 1e3)
    report, picture = evaluate_generation(
        pipeline, EXTRACTOR, boxes, PROTOCOL, categories=["chair"]
    )
    [row] = report.samples
    assert (row.shapes, row.failed) == (2, 2)
    assert (row.scores.whole, row.scores.coverage) == (0.0, 0.0)
    assert np.asarray(picture).min() < 255  # the row's label
    assert "| chair | 2 | 2 | 2 | - |" in report.to_markdown()


def test_what_cannot_be_compared_is_refused(pipeline: ShapePipeline, boxes: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown category \['sheep'\]"):
        evaluate_generation(pipeline, EXTRACTOR, boxes, PROTOCOL, categories=["sheep"])
    with pytest.raises(ValueError, match="no shape labelled table"):
        evaluate_generation(pipeline, EXTRACTOR, boxes, PROTOCOL, categories=["chair", "table"])


def test_a_model_without_cascade_is_refused(
    tiny_checkpoint: Path, boxes: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    config = replace(checkpoint.config, cascade=None)
    save_checkpoint(tmp_path, config, checkpoint.autoencoder, None)
    pipeline = ShapePipeline.load(tmp_path, device="cpu")
    with pytest.raises(CapabilityError, match="no cascade"):
        evaluate_generation(pipeline, EXTRACTOR, boxes, PROTOCOL)


def lagem(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_writes_json_markdown_and_picture(
    tiny_checkpoint: Path, boxes: Path, other_boxes: Path, tmp_path: Path
) -> None:
    command = ("evaluate", "generation", "--data", boxes, "--baseline", other_boxes, "--json")
    settings = ("--samples", 2, "--resolution", 8, "--category", "lamp", "--category", "none")
    result = lagem(*command, *settings, "--weights", tiny_checkpoint, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert json.loads((tmp_path / "generation.json").read_text()) == report
    assert [row["category"] for row in report["samples"]] == ["lamp", "none"]
    assert report["samples"][0]["scores"]["recognised"] is not None
    assert report["protocol"]["steps"] == 2  # the tiny model's
    assert report["extractor"] == "pointnet"
    assert "| lamp | 2 | " in (tmp_path / "generation.md").read_text()
    with Image.open(tmp_path / "generation.png") as picture:
        assert (np.asarray(picture).mean(axis=2) < 220).mean() > 0.05


def test_the_command_takes_another_extractor_or_says_why_not(
    tiny_checkpoint: Path, boxes: Path, tmp_path: Path
) -> None:
    class Corners(torch.nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            return corners(points)

    program = tmp_path / "corners.pt2"
    torch.export.save(torch.export.export(Corners(), (torch.zeros(8, 2048, 3),)), program)
    command = ("evaluate", "generation", "--data", boxes, "--weights", tiny_checkpoint)
    settings = ("--samples", 2, "--resolution", 8, "--category", "chair")
    result = lagem(*command, *settings, "--extractor", program, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["extractor"] == "corners.pt2"
    refused = lagem(*command, "--extractor", boxes / "chair" / "0.ply")
    assert refused.exit_code == 2
    assert "0.ply is no TorchScript program" in refused.stderr
    same = lagem(*command, "--baseline", boxes)
    assert same.exit_code == 2
    assert "another folder than --data" in same.stderr


def test_features_are_trained_and_measured_by_a_command(boxes: Path, tmp_path: Path) -> None:
    command = ("train", "features", "--data", boxes, "--held-out", boxes, "--json")
    settings = ("--run", tmp_path / "run", "-o", tmp_path / "out", "--steps", 1, "--shapes", 2)
    result = lagem(*command, *settings)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report["accuracy"][boxes.name]) == {"all", "chair", "lamp"}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["weights_sha256"] == report["sha256"]
    assert config["training"]["shapes"] == 5
