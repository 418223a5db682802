"""Folders of meshes become shards; bad files are reported, finished work is kept."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from model.data import prepare
from model.data.prepare import MeshFile, outcomes, prepare_meshes
from model.data.report import PrepareReport
from model.data.selection import Selection
from model.data.shards import PointCounts, ShapeSample, read_shards, write_shard

FEW = PointCounts(surface=16, volume=16, near=16)


def write_mesh(path: Path, mesh: trimesh.Trimesh) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh.export(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three solids (one of them twice), an open sheet, a broken file, a note, an odd folder."""
    root = tmp_path_factory.mktemp("meshes")
    write_mesh(root / "chair" / "1a04" / "box.ply", trimesh.creation.box((1.0, 2.0, 3.0)))
    write_mesh(root / "other" / "ball.stl", trimesh.creation.icosphere(subdivisions=2))
    write_mesh(root / "other" / "copy.stl", trimesh.creation.icosphere(subdivisions=2))
    write_mesh(root / "rod.obj", trimesh.creation.cylinder(0.3, 2.0))
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    write_mesh(root / "sheet.ply", sheet)
    (root / "folder.obj").mkdir()
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
    assert arrays.names[2] == "rod.obj"  # the labelled ones come first
    assert set(report.skipped) == {"sheet.ply", "broken.ply"}
    assert report.skipped["broken.ply"].startswith("malformed_mesh")
    assert set(report.duplicates.items()) < {
        ("other/ball.stl", "other/copy.stl"),
        ("other/copy.stl", "other/ball.stl"),
    }


def test_category_is_the_folder(prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared
    arrays = read_shards(out)
    named = dict(zip(arrays.names, arrays.categories, strict=True))
    assert named.pop("chair/1a04/box.ply") == "chair"
    assert named.pop("rod.obj") is None
    assert list(named.values()) == ["other"]
    assert report.categories() == {"chair": 1, "other": 1}


def test_second_call_keeps_finished_shards(
    folder: Path, prepared: tuple[Path, PrepareReport]
) -> None:
    out, report = prepared
    (shard,) = out.glob("*.safetensors")
    before = shard.stat().st_mtime_ns
    assert prepare_meshes(folder, out, seed=0).shards == report.shards
    assert shard.stat().st_mtime_ns == before


def test_only_the_same_bytes_are_a_copy(tmp_path: Path) -> None:
    for name, content in {"a": b"12", "b": b"21", "c": b"12", "d": b"123"}.items():
        (tmp_path / name).write_bytes(content)
    assert prepare._duplicates(tmp_path, ["d", "c", "b", "a"]) == {"a": "c"}


def test_limit_and_labels_choose(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,category,licence\nrod.obj,désk lamp,CC0-1.0\nother/ball.stl,,CC0-1.0\n")
    prepare_meshes(folder, tmp_path / "out", seed=0, points=FEW, limit=1, labels=table)
    arrays = read_shards(tmp_path / "out")
    assert (arrays.names, arrays.categories) == (("rod.obj",), ("désk lamp",))
    prepare_meshes(folder, tmp_path / "out", seed=0, points=FEW, labels=table)
    assert read_shards(tmp_path / "out").categories == ("désk lamp", None, None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name;class\nrod.obj;lamp\n", "needs the columns 'file' and 'category'"),
        ("file,category\nmeshes/rod.obj,lamp\n", "names none of the meshes.*'broken.ply'"),
    ],
)
def test_refuses_labels_that_say_nothing(
    folder: Path, tmp_path: Path, table: str, message: str
) -> None:
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        prepare_meshes(folder, tmp_path / "out", seed=0, labels=tmp_path / "labels.csv")
    assert not (tmp_path / "out").exists()


def test_refuses_a_folder_without_meshes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no mesh files \(.*\.glb"):
        prepare_meshes(tmp_path, tmp_path / "out", seed=0)


def test_refuses_to_mix_shards(folder: Path, prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    with pytest.raises(ValueError, match="made with seed 0, not 1"):
        prepare_meshes(folder, out, seed=1)
    with pytest.raises(ValueError, match=r"points: 4096 surface.*, not 16 surface"):
        prepare_meshes(folder, out, seed=0, points=FEW)
    with pytest.raises(ValueError, match="other files or labels"):
        prepare_meshes(folder / "other", out, seed=0)


def test_a_smaller_limit_undoes_nothing(folder: Path, prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared
    assert prepare_meshes(folder, out, seed=0, limit=1).shards == report.shards
    assert len(read_shards(out)) == 3


def test_an_interrupted_run_ends_as_if_it_had_not_been(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    monkeypatch.setattr(prepare, "SHAPES_PER_SHARD", 1)
    report = prepare_meshes(folder, whole, seed=0, points=FEW)

    def interrupted(path: Path, samples: list[ShapeSample], *, source: str) -> None:
        if list(parts.glob("*.safetensors")):
            path.with_name(f".{path.name}.1234").write_bytes(b"half of the second shard")
            raise KeyboardInterrupt
        write_shard(path, samples, source=source)

    monkeypatch.setattr(prepare, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_meshes(folder, parts, seed=0, points=FEW)
    monkeypatch.setattr(prepare, "write_shard", write_shard)
    assert prepare_meshes(folder, parts, seed=0, points=FEW).shards == report.shards
    names = {path.name for path in whole.iterdir()}
    assert {path.name for path in parts.iterdir()} == names
    for name in names - {"report.json", "report.md"}:  # which tell the seconds
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def misbehave(file: MeshFile) -> ShapeSample:
    """Do what the file's name says."""
    if file.name == "hang":
        time.sleep(60)
    if file.name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if file.name == "raise":
        raise KeyError("face")
    empty = np.zeros((0, 3), np.float16)
    return ShapeSample(empty, empty, empty, empty, np.zeros(0, np.uint8), None, file.name)


def test_one_bad_file_stops_nothing() -> None:
    files = [MeshFile(name, None, 0) for name in ("crash", "first", "raise", "hang", "last")]
    results = list(outcomes(misbehave, files, workers=1, timeout=1.5))
    assert results[0] == "crashed: the process ended with exit code -9"
    assert isinstance(results[1], ShapeSample)
    assert results[2] == "KeyError: 'face'"
    assert results[3] == "timeout: not labelled in 1.5 s"
    assert isinstance(results[4], ShapeSample)
    assert (results[1].name, results[4].name) == ("first", "last")


def test_the_two_parts_share_no_file_and_together_are_all(folder: Path, tmp_path: Path) -> None:
    names = {"chair/1a04/box.ply", "other/ball.stl", "other/copy.stl", "rod.obj"}
    train, test = Selection("train", held_out=0.8), Selection("test", held_out=0.8)
    for name in names:
        assert train.takes([name]) != test.takes([name])
    prepare_meshes(folder, tmp_path / "train", seed=0, points=FEW, selection=train)
    prepare_meshes(folder, tmp_path / "test", seed=0, points=FEW, selection=test)
    parts = [set(read_shards(tmp_path / part).names) for part in ("train", "test")]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 3


def test_copies_are_in_one_part_and_are_excluded_together() -> None:
    names = [f"a/{i}.ply" for i in range(50)]
    copies = {name: [name, name.replace("a/", "public/")] for name in names}
    train = Selection("train", held_out=0.5)
    for pair in copies.values():
        assert train.takes(pair) == train.takes(pair[::-1])
        assert not Selection(exclude=("public/*",)).takes(pair)
    assert 10 < sum(train.takes(pair) for pair in copies.values()) < 40


def test_excluded_meshes_are_left_out(folder: Path, tmp_path: Path) -> None:
    report = prepare_meshes(
        folder, tmp_path, seed=0, points=FEW, selection=Selection(exclude=("other/*", "sheet.*"))
    )
    assert set(read_shards(tmp_path).names) == {"chair/1a04/box.ply", "rod.obj"}
    assert not report.duplicates


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(exclude=("nothing/*",)), "--exclude nothing"),
        (Selection(exclude=("*",)), "none of . mesh files"),
    ],
)
def test_a_selection_that_selects_nothing_is_refused(
    folder: Path, tmp_path: Path, selection: Selection, message: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        prepare_meshes(folder, tmp_path, seed=0, selection=selection)


def test_shares_and_splits_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="held_out"):
        Selection("test", held_out=2.0)
    with pytest.raises(ValueError, match="choose one of all, train, test"):
        Selection("validation")
