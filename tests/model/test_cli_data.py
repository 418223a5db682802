"""`lagem data`: shards from parametric and from real shapes."""

from __future__ import annotations

import json
from pathlib import Path

from model.config import CATEGORIES
from model.data.shards import read_shards
from model.geometry.mesh import export_mesh
from tests.model.command import refuse, succeed
from tests.shapes import box


def test_data_synth_writes_shards(shards: Path) -> None:
    assert read_shards(shards).categories == CATEGORIES


def test_data_prepare_writes_shards_and_tells_what_it_skipped(tmp_path: Path) -> None:
    meshes = tmp_path / "meshes"
    (meshes / "table").mkdir(parents=True)
    (meshes / "table" / "box.ply").write_bytes(export_mesh(box().mesh, "ply"))
    (meshes / "broken.obj").write_text("f 1 2 3\n")
    printed = succeed("data", "prepare", meshes, "-o", tmp_path / "out", "--json")
    assert json.loads(printed) == {
        "folder": str(tmp_path / "out"),
        "shapes": 1,
        "skipped": 1,
        "duplicates": 0,
    }
    assert read_shards(tmp_path / "out").names == ("table/box.ply",)


def test_data_takes_the_numbers_of_points(tmp_path: Path) -> None:
    counts = ("--surface-points", 60, "--volume-points", 40, "--near-points", 20)
    synth = ("data", "synth", "-o", tmp_path / "synth", "--per-category", 0, "--jumbles", 1)
    succeed(*synth, *counts)
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "box.ply").write_bytes(export_mesh(box().mesh, "ply"))
    prepare = ("data", "prepare", tmp_path / "meshes", "-o", tmp_path / "real")
    succeed(*prepare, *counts)
    for folder in ("synth", "real"):
        arrays = read_shards(tmp_path / folder)
        sizes = [arrays.surface.shape, arrays.inside.shape, arrays.outside.shape, arrays.near.shape]
        assert sizes == [(1, 60, 3), (1, 20, 3), (1, 20, 3), (1, 20, 3)]
    for command in (synth, prepare):
        assert "60 surface, 40 volume and 20 near points" in refuse(*command)
    assert "even number, not 41" in refuse(*prepare, *counts, "--volume-points", 41)


def test_data_prepare_of_no_meshes_is_refused(tmp_path: Path) -> None:
    assert "no mesh files" in refuse("data", "prepare", tmp_path, "-o", tmp_path / "out")
