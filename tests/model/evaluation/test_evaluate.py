"""Reconstruction scores: their means, their tables, and a model scored end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model.evaluation.evaluate import (
    ReconstructionReport,
    Scores,
    ShapeScores,
    evaluate_reconstruction,
    score_reconstruction,
)
from model.evaluation.subjects import Subject, find_subjects
from model.geometry.mesh import export_mesh
from model.geometry.sampling import to_point_cloud
from model.pipeline import ShapePipeline
from tests.shapes import box, sphere

RESOLUTION = 16


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> ShapePipeline:
    return ShapePipeline.load(tiny_checkpoint, device="cpu")


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.subjects.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.evaluate.SURFACE_POINTS", 512)


def scores(value: float, *, iou: float | None = 0.5) -> Scores:
    return Scores(volume_iou=iou, near_accuracy=value, chamfer=value / 10, f_score=value)


def report(shapes: tuple[ShapeScores, ...], skipped: dict[str, str]) -> ReconstructionReport:
    return ReconstructionReport("tiny", "abcdef" * 10, "test", 64, shapes, skipped)


SHAPES = (
    ShapeScores("a", "chair", scores(0.2)),
    ShapeScores("b", "table", scores(0.6, iou=None)),
    ShapeScores("c", "chair", scores(0.4, iou=0.9)),
)


def test_means_are_by_category_and_over_all_shapes() -> None:
    made = report(SHAPES, {})
    assert list(made.categories()) == ["table", "chair"]
    assert made.categories()["chair"].near_accuracy == pytest.approx(0.3)
    assert made.mean().f_score == pytest.approx(0.4)
    assert made.mean().chamfer == pytest.approx(0.04)


def test_unknown_ious_do_not_count() -> None:
    assert report(SHAPES, {}).mean().volume_iou == pytest.approx(0.7)
    assert report(SHAPES, {}).categories()["table"].volume_iou is None


def test_markdown_is_a_table_times_100() -> None:
    lines = report(SHAPES, {"d": "broken"}).to_markdown().splitlines()
    assert "| chair | 2 | 70.00 | 30.00 | 3.00 | 30.00 |" in lines
    assert "| table | 1 | - | 60.00 | 6.00 | 60.00 |" in lines
    assert "| all | 3 | 70.00 | 40.00 | 4.00 | 40.00 |" in lines
    assert lines[-1] == "1 shapes could not be used."


def test_dictionary_is_json() -> None:
    values = json.loads(json.dumps(report(SHAPES, {"d": "broken"}).to_dict()))
    assert values["mean"]["f_score"] == pytest.approx(0.4)
    assert values["shapes"][1] == {
        "name": "b",
        "category": "table",
        "scores": {"volume_iou": None, "near_accuracy": 0.6, "chamfer": 0.06, "f_score": 0.6},
    }
    assert values["skipped"] == {"d": "broken"}


def subject_of_model(pipeline: ShapePipeline) -> Subject:
    """A subject whose truth is the model's own reconstruction of a sphere."""
    cloud = to_point_cloud(sphere().mesh).points
    latents = pipeline.encode(cloud[None])
    [mesh] = pipeline.meshes(latents, resolution=RESOLUTION)
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    field = pipeline.autoencoder.decode(latents)
    queries = field.bias.new_tensor(points)[None]
    occupied = (field(queries)[0] > 0).numpy()
    surface = np.asarray(mesh.sample(2000, seed=0), dtype=np.float32)
    return Subject("self", "lamp", cloud, surface, points, occupied, points, occupied)


def test_a_perfect_reconstruction_has_perfect_scores(
    pipeline: ShapePipeline, few_points: None
) -> None:
    made = score_reconstruction(pipeline, subject_of_model(pipeline), RESOLUTION)
    assert made.volume_iou == 1.0
    assert made.near_accuracy == 1.0
    assert made.chamfer < 0.08


def test_scores_fall_with_the_truth(pipeline: ShapePipeline, few_points: None) -> None:
    good = subject_of_model(pipeline)
    bad = Subject(
        good.name,
        good.category,
        good.cloud,
        2 * good.surface,
        good.near,
        ~good.near_occupied,
        good.volume,
        ~good.volume_occupied,
    )
    made = score_reconstruction(pipeline, bad, RESOLUTION)
    assert made.volume_iou == made.near_accuracy == 0.0
    assert made.chamfer > 0.2


def test_no_surface_is_the_worst_score(
    pipeline: ShapePipeline, few_points: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of_model(pipeline)
    bias = pipeline.autoencoder.to_logit.bias
    monkeypatch.setattr(bias, "data", bias.data - 1e3)
    made = score_reconstruction(pipeline, subject, RESOLUTION)
    assert (made.chamfer, made.f_score, made.volume_iou) == (1.0, 0.0, 0.0)


def test_a_folder_is_evaluated_and_bad_files_are_told(
    pipeline: ShapePipeline, few_points: None, tmp_path: Path
) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "box.ply").write_bytes(export_mesh(box().mesh, "ply"))
    (tmp_path / "broken.obj").write_text("f 1 2 3\n")
    made = evaluate_reconstruction(pipeline, tmp_path, resolution=RESOLUTION)
    assert [shape.name for shape in made.shapes] == ["table/box.ply"]
    assert list(made.skipped) == ["broken.obj"]
    assert made.data == tmp_path.name
    again = score_reconstruction(pipeline, find_subjects(tmp_path)[1].load(), RESOLUTION)
    assert made.shapes[0].scores == again


def test_a_folder_without_any_usable_shape_is_refused(
    pipeline: ShapePipeline, tmp_path: Path
) -> None:
    (tmp_path / "broken.obj").write_text("f 1 2 3\n")
    with pytest.raises(ValueError, match=r"broken\.obj: "):
        evaluate_reconstruction(pipeline, tmp_path, resolution=RESOLUTION)
