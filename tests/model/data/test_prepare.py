"""Folders of meshes become shards; bad files are reported, finished work is kept."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from model.config import CATEGORIES
from model.data.prepare import MeshFile, PrepareReport, outcomes, prepare_meshes
from model.data.shards import UNLABELLED, ShapeSample, read_shards


def write_mesh(path: Path, mesh: trimesh.Trimesh) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh.export(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three solids (one labelled, one of them twice), an open sheet, a broken file, a note."""
    root = tmp_path_factory.mktemp("meshes")
    write_mesh(root / "chair" / "box.ply", trimesh.creation.box((1.0, 2.0, 3.0)))
    write_mesh(root / "other" / "ball.stl", trimesh.creation.icosphere(subdivisions=2))
    write_mesh(root / "other" / "copy.stl", trimesh.creation.icosphere(subdivisions=2))
    write_mesh(root / "rod.obj", trimesh.creation.cylinder(0.3, 2.0))
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    write_mesh(root / "sheet.ply", sheet)
    (root / "broken.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 3\n")
    (root / "notes.txt").write_text("not a mesh\n")
    return root


@pytest.fixture(scope="module")
def prepared(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PrepareReport]:
    """The shards of the folder and their report."""
    out = tmp_path_factory.mktemp("shards")
    return out, prepare_meshes(folder, out, seed=0)


def test_keeps_solids_and_names_the_rest(prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared
    arrays = read_shards(out)
    assert report.prepared == len(arrays) == 3
    assert arrays.names[0] == "chair/box.ply"  # the labelled ones come first
    assert {"rod.obj"} < set(arrays.names)
    assert set(report.skipped) == {"sheet.ply", "broken.ply"}
    assert report.skipped["broken.ply"].startswith("malformed_mesh")
    assert set(report.duplicates.items()) < {
        ("other/ball.stl", "other/copy.stl"),
        ("other/copy.stl", "other/ball.stl"),
    }


def test_category_is_the_folder(prepared: tuple[Path, PrepareReport]) -> None:
    arrays = read_shards(prepared[0])
    assert arrays.category.tolist() == [CATEGORIES.index("chair"), UNLABELLED, UNLABELLED]


def test_report_is_saved(prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared
    assert PrepareReport.load(out / "report.json", seed=0) == report
    assert PrepareReport.load(out / "absent.json", seed=4) == PrepareReport(seed=4)


def test_second_call_keeps_finished_shards(
    folder: Path, prepared: tuple[Path, PrepareReport]
) -> None:
    out, report = prepared
    (shard,) = out.glob("*.safetensors")
    before = shard.stat().st_mtime_ns
    assert prepare_meshes(folder, out, seed=0).shards == report.shards
    assert shard.stat().st_mtime_ns == before


def test_limit_and_labels_choose(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,category,licence\nrod.obj,lamp,CC0-1.0\nother/ball.stl,,CC0-1.0\n")
    prepare_meshes(folder, tmp_path / "out", seed=0, limit=2, labels=table)
    arrays = read_shards(tmp_path / "out")
    assert set(zip(arrays.names, arrays.category.tolist(), strict=True)) == {
        ("chair/box.ply", CATEGORIES.index("chair")),
        ("rod.obj", CATEGORIES.index("lamp")),
    }


def test_refuses_a_folder_without_meshes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no mesh files \(.*\.glb"):
        prepare_meshes(tmp_path, tmp_path / "out", seed=0)


def test_refuses_another_seed_in_the_same_folder(
    folder: Path, prepared: tuple[Path, PrepareReport]
) -> None:
    with pytest.raises(ValueError, match="made with seed 0, not 1"):
        prepare_meshes(folder, prepared[0], seed=1)


def misbehave(file: MeshFile) -> ShapeSample:
    """Do what the file's name says."""
    if file.name == "hang":
        time.sleep(60)
    if file.name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if file.name == "raise":
        raise KeyError("face")
    empty = np.zeros((0, 3), np.float16)
    return ShapeSample(empty, empty, empty, empty, np.zeros(0, np.uint8), -1, file.name)


def test_one_bad_file_stops_nothing() -> None:
    files = [MeshFile(name, -1, 0) for name in ("crash", "first", "raise", "hang", "last")]
    results = list(outcomes(misbehave, files, workers=1, timeout=1.5))
    assert results[0] == "crashed: the process ended with exit code -9"
    assert isinstance(results[1], ShapeSample)
    assert results[2] == "KeyError: 'face'"
    assert results[3] == "timeout: not labelled in 1.5 s"
    assert isinstance(results[4], ShapeSample)
    assert (results[1].name, results[4].name) == ("first", "last")
