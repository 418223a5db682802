"""The gallery over a tiny model: which pictures there are, and what they depend on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from model.checkpoint import load_checkpoint, save_checkpoint
from model.evaluation import gallery
from model.evaluation.gallery import (
    draw_gallery,
    spread_meshes,
)
from model.evaluation.metrics import main_share
from model.geometry.mesh import export_mesh
from model.pipeline import ShapePipeline
from tests.shapes import box, moved, sphere


@pytest.fixture(scope="module", autouse=True)
def small_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "SAMPLES", 2)
        patch.setattr(gallery, "MOST_RECONSTRUCTIONS", 6)
        patch.setattr(gallery, "_PICTURE", 40)
        patch.setattr(gallery, "_SMALL_PICTURE", 24)
        patch.setattr(gallery, "_UNCONDITIONAL_ROWS", 1)
        yield


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meshes")
    for i in range(12):
        (folder / f"{i:02}.ply").write_bytes(export_mesh(box().mesh, "ply"))
    return folder


def draw(weights: Path, folder: Path, **options: object) -> list[Path]:
    pipeline = ShapePipeline.load(weights, device="cpu")
    settings = {"meshes": None, "seed": 3, "steps": 2, "guidance": 1.0, "resolution": 8}
    return draw_gallery(pipeline, folder, **(settings | options))


@pytest.fixture(scope="module")
def drawn(tiny_checkpoint: Path, meshes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    written = draw(tiny_checkpoint, folder, meshes=meshes)
    assert sorted(written) == sorted(folder.iterdir())
    return folder


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_every_picture_is_there_and_in_the_readme(drawn: Path) -> None:
    pictures = {
        "hero.png",
        "categories.png",
        "unconditional.png",
        "levels.png",
        "reconstructions.png",
    }
    assert {path.name for path in drawn.iterdir()} == pictures | {"README.md"}
    text = (drawn / "README.md").read_text()
    for name in pictures:
        assert f"]({name})" in text
    assert "lagem gallery --seed 3 --steps 2 --guidance 1 --resolution 8 --meshes meshes" in text


def test_pictures_show_something(drawn: Path) -> None:
    for path in drawn.glob("*.png"):
        with Image.open(path) as picture:
            assert (np.asarray(picture).mean(axis=2) < 220).mean() > 0.05, path.name


def test_hero_is_one_row_of_the_categories(drawn: Path) -> None:
    width, height = size(drawn / "hero.png")
    full_width, full_height = size(drawn / "categories.png")
    assert 0 < full_width - width < 60  # the seeds' column
    assert height < full_height < 2 * height


def test_levels_are_square_blocks_side_by_side(drawn: Path) -> None:
    width, height = size(drawn / "levels.png")
    assert width == pytest.approx(2 * height, rel=0.1)


def test_a_model_without_cascade_shows_reconstructions(
    tiny_checkpoint: Path, meshes: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    config = replace(checkpoint.config, cascade=None)
    save_checkpoint(tmp_path / "weights", config, checkpoint.autoencoder, None)
    written = draw(tmp_path / "weights", tmp_path / "out", meshes=meshes)
    assert [path.name for path in written] == ["reconstructions.png", "README.md"]


def test_meshes_are_spread_over_the_folder(meshes: Path) -> None:
    names = list(spread_meshes(meshes))
    assert names == ["01", "03", "05", "07", "09", "11"]


def test_category_folders_come_first(meshes: Path, tmp_path: Path) -> None:
    (tmp_path / "chair").mkdir()
    for name in ("chair/one.ply", "other.ply"):
        (tmp_path / name).write_bytes(export_mesh(box().mesh, "ply"))
    assert list(spread_meshes(tmp_path)) == ["chair/one"]


def test_a_folder_without_meshes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no mesh files"):
        spread_meshes(tmp_path)


def test_main_share_is_of_the_area() -> None:
    large, small = sphere(2.0).mesh, moved(sphere(1.0).mesh, (9.0, 0.0, 0.0))
    assert main_share(large) == pytest.approx(1.0)
    assert main_share(trimesh.util.concatenate([small, large])) == pytest.approx(0.8)
    empty = trimesh.Trimesh(np.zeros((0, 3)), np.zeros((0, 3), int), process=False)
    assert main_share(empty) == 0.0
