"""Point clouds of shards and meshes: their frames, categories and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.config import CATEGORIES
from model.data.shards import read_shards
from model.data.synthesize import synthesize
from model.evaluation.clouds import Clouds, read_clouds, surface_points
from model.evaluation.subjects import OTHER
from model.geometry.mesh import export_mesh
from tests.shapes import moved, sphere


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    synthesize(folder, per_category=2, jumbles=1, seed=0, split="test")
    return folder


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Balls far from the canonical frame: one is a lamp, one of no known category."""
    folder = tmp_path_factory.mktemp("meshes")
    ball = export_mesh(moved(sphere(0.5).mesh, (7.0, 0.0, -3.0)), "ply")
    for name in ("lamp/ball.ply", "strange/ball.ply"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(ball)
    return folder


def test_shards_give_their_labelled_shapes_by_category(shards: Path) -> None:
    clouds = read_clouds(shards, count=100)
    assert clouds.categories == tuple(name for name in CATEGORIES for _ in range(2))
    assert clouds.points.shape == (14, 100, 3)


def test_points_of_shards_are_stored_ones_without_repetition(shards: Path) -> None:
    arrays = read_shards(shards)
    stored = arrays.surface[arrays.names.index(f"chair:{1 << 48}")]
    drawn = read_clouds(shards, ["chair"], count=1000).points[0]
    rows = {tuple(point) for point in stored.tolist()}
    assert all(tuple(point) in rows for point in drawn.tolist())
    assert len({tuple(point) for point in drawn.tolist()}) > 990


def test_the_seed_chooses_the_points_alone(shards: Path) -> None:
    one, again, other = (read_clouds(shards, count=100, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.points, again.points)
    assert not np.array_equal(one.points, other.points)
    assert one.categories == other.categories


def test_limit_is_of_each_category(shards: Path) -> None:
    clouds = read_clouds(shards, ["sofa", "car"], count=10, limit=1)
    assert clouds.categories == ("sofa", "car")


def test_more_points_than_a_shard_has_are_refused(shards: Path) -> None:
    with pytest.raises(ValueError, match="4096 surface points, 5000 are asked for"):
        read_clouds(shards, count=5000)


def test_meshes_come_in_the_canonical_frame(meshes: Path) -> None:
    clouds = read_clouds(meshes, count=500)
    assert clouds.categories == ("lamp",)
    radii = np.linalg.norm(clouds.points[0].astype(np.float64), axis=1)
    np.testing.assert_allclose(radii, 1, atol=0.01)


def test_without_categories_to_choose_from_all_shapes_are_taken(shards: Path, meshes: Path) -> None:
    assert read_clouds(meshes, None, count=10).categories == ("lamp", "strange")
    labels = read_clouds(shards, None, count=10, limit=1).categories
    assert labels == (*CATEGORIES, OTHER)


def test_a_folder_without_the_category_is_refused(meshes: Path) -> None:
    with pytest.raises(ValueError, match="no shape labelled chair or table"):
        read_clouds(meshes, ["chair", "table"])


def test_a_file_that_is_no_mesh_is_named(tmp_path: Path) -> None:
    (tmp_path / "chair").mkdir()
    (tmp_path / "chair" / "broken.obj").write_text("f 1 2 3\n")
    with pytest.raises(ValueError, match=r"chair/broken\.obj: "):
        read_clouds(tmp_path)


def test_shapes_are_chosen_by_category_or_spread() -> None:
    points = np.arange(6, dtype=np.float16).repeat(3).reshape(6, 1, 3)
    clouds = Clouds(points, ("car", "lamp") * 3)
    assert clouds.of("lamp").points[:, 0, 0].tolist() == [1, 3, 5]
    assert clouds.of(None) is clouds
    assert len(clouds.of("rifle")) == 0
    assert clouds.spread(3).points[:, 0, 0].tolist() == [0, 2, 4]
    assert clouds.spread(9) is clouds


def test_points_of_a_generated_mesh_stay_where_it_is() -> None:
    points = surface_points(moved(sphere(0.5).mesh, (0.25, 0.0, 0.0)), 400, seed=0)
    center = np.array([0.25, 0.0, 0.0])
    np.testing.assert_allclose(np.linalg.norm(points - center, axis=1), 0.5, atol=0.01)
