"""The pictures beside the reports: their rows and columns, and the meshes they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.shards import read_shards
from model.data.synthesize import synthesize
from model.evaluation import sheets
from model.evaluation.pictures import in_rows, specks, subject_mesh
from model.evaluation.reconstruction import evaluate_reconstruction
from model.evaluation.sheets import FamilySheet, NoiseSheet, draw_reconstructions
from model.evaluation.subjects import find_subjects
from model.geometry.mesh import export_mesh
from model.pipeline import ShapePipeline
from tests.shapes import box, moved, sphere


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "PICTURE", 40)
    monkeypatch.setattr(sheets, "FAMILY_PICTURE", 24)
    monkeypatch.setattr("model.evaluation.pictures._PROCEDURAL_CELLS", 24)
    monkeypatch.setattr("model.evaluation.subjects.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.scores.SURFACE_POINTS", 512)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_rows_break_where_they_are_full() -> None:
    assert in_rows("abcde", 2) == ["ab", "cd", "e"]


def test_reconstructions_have_two_pairs_of_rows(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "meshes" / "table").mkdir(parents=True)
    for name, mesh in (("a.ply", box().mesh), ("b.ply", sphere().mesh)):
        (tmp_path / "meshes" / "table" / name).write_bytes(export_mesh(mesh, "ply"))
    pipeline = ShapePipeline.load(tiny_checkpoint, device="cpu")
    report = evaluate_reconstruction(pipeline, tmp_path / "meshes", resolution=8)
    draw_reconstructions(pipeline, tmp_path / "meshes", report, tmp_path / "picture.png")
    drawn = pixels(tmp_path / "picture.png")
    assert drawn.shape[0] == pytest.approx(4 * 46, abs=40)
    for row in range(4):
        strip = drawn[-(row + 1) * 46 : drawn.shape[0] - row * 46, -46:]
        assert (strip.mean(axis=2) < 220).mean() > 0.05


def test_families_are_a_row_of_blocks_a_category(tmp_path: Path) -> None:
    sheet = FamilySheet(parents=3, variants=2)
    for category in ("chair", "sofa"):
        sheet(category, [box().mesh] * 12)
    sheet.save(tmp_path / "levels.png")
    height, width, _ = pixels(tmp_path / "levels.png").shape
    block = 2 * 30 + 6 + 2 * sheets.BLOCK_MARGIN
    assert height == 6 + 2 * (block + 6)
    assert 0 < width - (6 + 3 * (block + 6)) < 80  # the labels' column


def test_noise_shows_the_first_shape_of_each_category(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", per_category=2, jumbles=0, seed=0, split="test")
    sources = find_subjects(tmp_path / "data")
    sheet = NoiseSheet(levels=1)
    assert sheet.columns == ["input", "reconstruction", "noise in 1"]
    for source in (sources[1], sources[0], sources[7]):
        sheet(source, source.load().category, [box().mesh, sphere().mesh])
    assert list(sheet.rows) == ["car", "table"]
    sheet.save(tmp_path / "noise.png")
    assert pixels(tmp_path / "noise.png").shape[0] == pytest.approx(2 * 46, abs=40)


def test_subjects_are_shown_as_what_they_are(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", per_category=1, jumbles=1, seed=0, split="test")
    *_, sofa, _, _, jumble = find_subjects(tmp_path / "data")  # thick enough for the grid
    surface = read_shards(tmp_path / "data").surface[4].astype(np.float64)
    assert np.abs(subject_mesh(sofa).bounds - [surface.min(0), surface.max(0)]).max() < 0.1
    assert len(subject_mesh(jumble).faces) == 8 * 4096
    (tmp_path / "meshes").mkdir()
    ball = export_mesh(moved(sphere(0.5).mesh, (7.0, 0.0, 0.0)), "ply")
    (tmp_path / "meshes" / "ball.ply").write_bytes(ball)
    [source] = find_subjects(tmp_path / "meshes")
    np.testing.assert_allclose(subject_mesh(source).bounds, [[-1] * 3, [1] * 3], atol=0.01)


def test_specks_are_closed_and_face_outward() -> None:
    made = specks(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert made.is_watertight
    for part in made.split():
        assert part.is_watertight
    assert len(made.faces) == 16
