"""Evaluation subjects: their ground truth against shapes with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from model.config import CATEGORIES
from model.data.procedural.solid import Solid
from model.data.procedural.solids import Solids
from model.data.synthesize import synthesize
from model.evaluation.subjects import (
    CLOUD_POINTS,
    OTHER,
    SURFACE_POINTS,
    VOLUME_POINTS,
    distance_normals,
    find_subjects,
)
from model.geometry.mesh import export_mesh
from model.geometry.sampling import farthest_point_order
from tests.shapes import moved, sphere


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    synthesize(folder, per_category=1, jumbles=1, seed=0, split="test")
    return folder


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball, far from the canonical frame, labelled and not, and a file that is no mesh."""
    folder = tmp_path_factory.mktemp("meshes")
    ball = export_mesh(moved(sphere(0.5).mesh, (7.0, 0.0, -3.0)), "ply")
    for name in ("lamp/ball.ply", "strange/ball.ply"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(ball)
    (folder / "broken.obj").write_text("f 1 2 3\n")
    return folder


def test_mesh_subjects_are_in_the_canonical_frame(meshes: Path) -> None:
    subject = find_subjects(meshes)[1].load()
    assert (subject.name, subject.category) == ("lamp/ball.ply", "lamp")
    assert len(subject.surface) == SURFACE_POINTS
    np.testing.assert_allclose(np.linalg.norm(subject.surface, axis=1), 1, atol=0.01)


def test_mesh_subjects_know_their_inside(meshes: Path) -> None:
    subject = find_subjects(meshes)[1].load()
    radius = np.linalg.norm(subject.volume, axis=1)
    clear = np.abs(radius - 1) > 0.01
    np.testing.assert_array_equal(subject.volume_occupied[clear], (radius < 1)[clear])
    # Uniform in the bounding box: a ball takes pi / 6 of its cube.
    assert subject.volume_occupied.mean() == pytest.approx(np.pi / 6, abs=0.01)
    near = np.linalg.norm(subject.near, axis=1)
    clear = np.abs(near - 1) > 0.01
    np.testing.assert_array_equal(subject.near_occupied[clear], (near < 1)[clear])


def test_mesh_subjects_know_their_normals(meshes: Path) -> None:
    subject = find_subjects(meshes)[1].load()
    assert subject.normals is not None
    np.testing.assert_allclose(subject.normals, subject.surface, atol=0.06)


def test_distance_normals_are_those_of_the_faces_and_of_the_curves() -> None:
    nowhere, upright = np.zeros(3), np.eye(3)
    corners = ((-0.5, -0.3), (0.5, -0.3), (0.5, 0.3), (-0.5, 0.3))
    ball = Solids.union([Solid(((0.0, 0.0),), 0.0, 0.8, True, upright, nowhere)])
    box = Solids.union([Solid(corners, 0.2, 0.0, False, upright, nowhere)])
    generator = torch.Generator().manual_seed(0)
    points = ball.sample_surface(500, generator)[0].numpy()
    np.testing.assert_allclose(distance_normals(ball, points), points / 0.8, atol=2e-3)
    points = box.sample_surface(500, generator)[0].numpy()
    normals = distance_normals(box, points)
    flat = np.abs(normals).max(axis=1) > 0.999
    assert flat.mean() > 0.97
    side = np.abs(normals).argmax(axis=1)
    at = np.take_along_axis(np.abs(points), side[:, None], 1)[:, 0]
    np.testing.assert_allclose(at[flat], np.array([0.5, 0.3, 0.2])[side[flat]], atol=1e-5)
    assert (np.einsum("ni,ni->n", points, normals)[flat] > 0).all()


def test_clouds_are_as_served(meshes: Path) -> None:
    cloud = find_subjects(meshes)[1].load().cloud
    assert cloud.shape == (CLOUD_POINTS, 3)
    np.testing.assert_array_equal(farthest_point_order(cloud, 64), np.arange(64))


def test_categories_come_from_folders(meshes: Path) -> None:
    sources = find_subjects(meshes)
    assert [source.name for source in sources] == [
        "broken.obj",
        "lamp/ball.ply",
        "strange/ball.ply",
    ]
    assert [source.category for source in sources] == [None, "lamp", "strange"]
    assert sources[2].load().category == "strange"


def test_unusable_files_say_why(meshes: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        find_subjects(meshes)[0].load()


def test_procedural_shard_rows_are_built_again(shards: Path) -> None:
    sources = find_subjects(shards)
    assert len(sources) == len(CATEGORIES) + 1
    subject = sources[2].load()
    assert subject.category == "chair"
    assert len(subject.surface) == SURFACE_POINTS
    assert len(subject.volume) == len(subject.volume_occupied) == VOLUME_POINTS
    assert subject.normals is not None
    np.testing.assert_allclose(np.linalg.norm(subject.normals, axis=1), 1, atol=1e-5)
    assert 0.005 < subject.volume_occupied.mean() < 0.6
    assert np.linalg.norm(subject.surface, axis=1).max() == pytest.approx(1, abs=0.01)


def test_other_shard_rows_have_no_volume_truth(shards: Path) -> None:
    subject = find_subjects(shards)[-1].load()
    assert subject.category == OTHER
    assert len(subject.volume) == len(subject.volume_occupied) == 0
    assert len(subject.surface) == 4096
    assert subject.normals is None


def test_subjects_are_the_same_each_time(shards: Path) -> None:
    first, second = (find_subjects(shards)[0].load() for _ in range(2))
    for name in ("cloud", "surface", "volume", "volume_occupied"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_limit_spreads_over_the_folder(shards: Path) -> None:
    names = [source.name for source in find_subjects(shards)]
    assert [source.name for source in find_subjects(shards, 4)] == names[::2]
    assert len(find_subjects(shards, 100)) == len(names)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither shards"):
        find_subjects(tmp_path)


def test_an_open_sheet_is_known_by_its_surface_alone(tmp_path: Path) -> None:
    flat = trimesh.creation.box((2.0, 0.5, 1.0))
    sheet = trimesh.Trimesh(flat.vertices, flat.faces[:2], process=False)
    (tmp_path / "sheet.ply").write_bytes(export_mesh(sheet, "ply"))
    subject = find_subjects(tmp_path)[0].load()
    assert len(subject.surface) == SURFACE_POINTS
    assert not len(subject.near)
    assert not len(subject.volume)
    assert subject.watertight is False


def test_a_mesh_in_two_parts_is_known_to_be(tmp_path: Path) -> None:
    parts = trimesh.util.concatenate([moved(sphere(0.5).mesh, (x, 0.0, 0.0)) for x in (0.0, 3.0)])
    (tmp_path / "two.ply").write_bytes(export_mesh(parts, "ply"))
    subject = find_subjects(tmp_path)[0].load()
    assert subject.watertight is True
    assert subject.one_piece is False
