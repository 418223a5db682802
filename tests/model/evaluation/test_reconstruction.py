"""Reconstruction scores: their means, their tables, and a model scored end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from model.evaluation.reconstruction import (
    ReconstructionReport,
    ShapeScores,
    evaluate_reconstruction,
    score_reconstruction,
)
from model.evaluation.scores import Scores, score_shape
from model.evaluation.subjects import Subject, find_subjects
from model.geometry.isosurface import extract_isosurface
from model.geometry.mesh import export_mesh
from model.geometry.sampling import sample_oriented_surface, sample_surface, to_point_cloud
from model.pipeline import ShapePipeline
from tests.shapes import box, sphere

RESOLUTION = 16


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> ShapePipeline:
    return ShapePipeline.load(tiny_checkpoint, device="cpu")


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.subjects.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.scores.SURFACE_POINTS", 512)


def scores(value: float, *, iou: float | None = 0.5) -> Scores:
    return Scores(
        volume_iou=iou,
        near_iou=value / 2,
        near_accuracy=value,
        chamfer=value / 10,
        f_score=value,
        normal_consistency=iou,
        one_piece=iou and 1.0,
        missing=value / 4,
        complete=value,
    )


def report(shapes: tuple[ShapeScores, ...], skipped: dict[str, str]) -> ReconstructionReport:
    return ReconstructionReport("tiny", "abcdef" * 10, "test", 64, shapes, skipped)


SHAPES = (
    ShapeScores("a", "chair", scores(0.2)),
    ShapeScores("b", "table", scores(0.6, iou=None)),
    ShapeScores("c", "chair", scores(0.4, iou=0.9)),
    ShapeScores("d", "other", scores(0.8, iou=0.1)),
)


def test_means_are_by_category_over_the_selected_ones_and_over_all_shapes() -> None:
    made = report(SHAPES, {})
    assert list(made.categories()) == ["table", "chair", "other"]
    assert made.categories()["chair"].near_accuracy == pytest.approx(0.3)
    selected = made.mean_selected()
    assert selected is not None
    assert selected.f_score == pytest.approx((0.6 + 0.3) / 2)
    assert made.mean_all().f_score == pytest.approx((0.2 + 0.6 + 0.4 + 0.8) / 4)
    assert made.mean_all().chamfer == pytest.approx(0.05)


def test_without_a_category_of_the_paper_there_is_no_mean_over_them() -> None:
    made = report(SHAPES[-1:], {})
    assert made.mean_selected() is None
    assert "mean (selected)" not in made.to_markdown()
    assert made.to_dict()["mean_selected"] is None


def test_unknown_figures_do_not_count() -> None:
    assert report(SHAPES, {}).mean_all().volume_iou == pytest.approx(0.5)
    assert report(SHAPES, {}).categories()["table"].volume_iou is None


def test_examples_are_the_median_and_the_worst() -> None:
    shapes = tuple(
        ShapeScores(name, "lamp", scores(value))
        for name, value in (("fair", 0.3), ("worst", 0.9), ("best", 0.1))
    )
    median, worst = report(shapes, {}).examples("lamp")
    assert (median.name, worst.name) == ("fair", "worst")
    alone = report(shapes[:1], {}).examples("lamp")
    assert [shape.name for shape in alone] == ["fair", "fair"]


def test_markdown_is_a_table_times_100() -> None:
    text = report(SHAPES, {"d": "broken"}).to_markdown()
    lines = text.splitlines()
    assert (
        "| chair | 2 | 70.00 | 15.00 | 30.00 | 3.00 | 30.00 | 70.00 | 100.00 | 7.50 | 30.00 |"
        in lines
    )
    assert "| table | 1 | - | 30.00 | 60.00 | 6.00 | 60.00 | - | - | 15.00 | 60.00 |" in lines
    selected = "70.00 | 22.50 | 45.00 | 4.50 | 45.00 | 70.00 | 100.00 | 11.25 | 45.00"
    assert f"| mean (selected) | 3 | {selected} |" in lines
    assert (
        "| mean (all) | 4 | 50.00 | 25.00 | 50.00 | 5.00 | 50.00 | 50.00 | 100.00 | 12.50 | 50.00 |"
        in lines
    )
    assert "| chair | a | 2.00 | c | 4.00 |" in lines
    assert "50,000 points" in text
    assert "threshold 0.02" in text
    assert lines[-1] == "Shapes that could not be used: 1 (see the JSON)."


def test_dictionary_is_json() -> None:
    values = json.loads(json.dumps(report(SHAPES, {"d": "broken"}).to_dict()))
    assert values["mean_all"]["f_score"] == pytest.approx(0.5)
    assert values["shapes"][1] == {
        "name": "b",
        "category": "table",
        "scores": {
            "volume_iou": None,
            "near_iou": 0.3,
            "near_accuracy": 0.6,
            "chamfer": 0.06,
            "f_score": 0.6,
            "normal_consistency": None,
            "one_piece": None,
            "missing": 0.15,
            "complete": 0.6,
        },
        "watertight": None,
    }
    assert values["skipped"] == {"d": "broken"}


def test_watertight_and_open_meshes_have_means_of_their_own() -> None:
    shapes = (
        ShapeScores("a", "chair", scores(0.2), watertight=True),
        ShapeScores("b", "chair", scores(0.4, iou=0.9), watertight=True),
        ShapeScores("c", "chair", scores(0.8, iou=None), watertight=False),
    )
    made = report(shapes, {})
    lines = made.to_markdown().splitlines()
    watertight = "70.00 | 15.00 | 30.00 | 3.00 | 30.00 | 70.00 | 100.00 | 7.50 | 30.00"
    assert f"| mean (watertight) | 2 | {watertight} |" in lines
    assert "| mean (open) | 1 | - | 40.00 | 80.00 | 8.00 | 80.00 | - | - | 20.00 | 80.00 |" in lines
    assert made.to_dict()["surfaces"]["open"]["f_score"] == pytest.approx(0.8)
    assert list(report(SHAPES, {}).surfaces()) == []


def subject_of_model(pipeline: ShapePipeline) -> Subject:
    """A subject whose truth is the model's own reconstruction of a sphere."""
    cloud = to_point_cloud(sphere().mesh).points
    latents = pipeline.encode(cloud[None])
    [mesh] = pipeline.meshes(latents, resolution=RESOLUTION)
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    field = pipeline.autoencoder.decode(latents)
    queries = field.bias.new_tensor(points)[None]
    occupied = (field(queries)[0] > 0).numpy()
    surface, normals = (
        array.astype(np.float32) for array in sample_oriented_surface(mesh, 2000, seed=0)
    )
    return Subject("self", "lamp", cloud, surface, points, occupied, points, occupied, normals)


def test_a_perfect_reconstruction_has_perfect_scores(
    pipeline: ShapePipeline, few_points: None
) -> None:
    made = score_reconstruction(pipeline, subject_of_model(pipeline), RESOLUTION)
    assert made.volume_iou == 1.0
    assert made.near_iou == made.near_accuracy == 1.0
    assert made.chamfer < 0.08
    assert made.normal_consistency is not None
    assert made.normal_consistency > 0.9


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
    assert made.volume_iou == made.near_iou == made.near_accuracy == 0.0
    assert made.chamfer > 0.2
    assert made.normal_consistency is None


def test_no_surface_is_the_worst_score(
    pipeline: ShapePipeline, few_points: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of_model(pipeline)
    bias = pipeline.autoencoder.to_logit.bias
    monkeypatch.setattr(bias, "data", bias.data - 1e3)
    made = score_reconstruction(pipeline, subject, RESOLUTION)
    assert (made.chamfer, made.f_score, made.volume_iou) == (1.0, 0.0, 0.0)
    assert (made.near_iou, made.normal_consistency) == (0.0, 0.0)
    assert (made.missing, made.complete) == (1.0, 0.0)


def table(legs: int) -> trimesh.Trimesh:
    """A slab on thin legs, all in one piece."""
    logits = np.full((64, 64, 64), -1.0, np.float32)
    logits[8:56, 44:48, 8:56] = 1.0
    for x, z in ((10, 10), (10, 51), (51, 10), (51, 51))[:legs]:
        logits[x : x + 3, 10:44, z : z + 3] = 1.0
    vertices, faces = extract_isosurface(logits, lower=(-1.0, -1.0, -1.0), spacing=1 / 32)
    return trimesh.Trimesh(vertices, faces, process=False)


def test_a_table_that_lost_a_leg_is_in_one_piece_but_not_complete(
    pipeline: ShapePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    surface, fewer = (
        sample_surface(table(legs), 4096, seed=0).astype(np.float32) for legs in (4, 3)
    )
    none, unasked = surface[:0], np.empty(0, np.bool_)
    truth = Subject(
        "table", "table", surface, surface, none, unasked, none, unasked, one_piece=True
    )
    latents, bias = pipeline.encode(surface[None]), pipeline.autoencoder.to_logit.bias
    monkeypatch.setattr(bias, "data", bias.data - 1e3)
    field = pipeline.autoencoder.decode(latents)  # everything is outside
    same, lame = (score_shape(truth, field, table(legs)) for legs in (4, 3))
    assert (same.one_piece, same.missing, same.complete) == (1.0, 0.0, 1.0)
    assert (lame.one_piece, lame.complete) == (1.0, 0.0)
    leg = 4 * 3 * 34 / (2 * 48 * 48 + 4 * 4 * 48 + 4 * 4 * 3 * 34)
    assert leg / 2 < lame.missing < leg
    more = score_shape(replace(truth, surface=fewer), field, table(4))
    assert (more.missing, more.complete) == (0.0, 1.0)
    monkeypatch.setattr(bias, "data", bias.data + 2e3)
    filled = score_shape(truth, pipeline.autoencoder.decode(latents), table(3))
    assert (filled.missing, filled.complete) == (0.0, 1.0)


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
