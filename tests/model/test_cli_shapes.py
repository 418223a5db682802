"""`lagem encode`, `generate`, `resample`, `decode` over a tiny model: what they write and print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from model.checkpoint import load_checkpoint
from model.cli.options import MESH_FORMATS
from model.config import ModelConfig
from model.geometry.mesh import EXPORT_FORMATS
from model.geometry.normalization import Normalization
from model.pipeline import ShapePipeline
from tests.model.command import latents, mesh, succeed
from tests.shapes import box


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from model.cli import main; main(['--help'], standalone_mode=False);"
        "print([name for name in ('torch', 'trimesh', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("encode", "generate", "resample", "decode", "data", "train", "evaluate"):
        assert f"  {command} " in done.stdout


def test_formats_are_those_of_the_exporter() -> None:
    assert MESH_FORMATS == EXPORT_FORMATS


def test_encode_writes_latents_and_mesh(
    encoded: Path, tiny_config: ModelConfig, tiny_checkpoint: Path
) -> None:
    file = latents(encoded)
    sizes = [(level.tokens, level.channels) for level in tiny_config.autoencoder.levels]
    assert [file.levels[number].shape for number in (3, 2, 1)] == sizes
    assert file.metadata["weights_sha256"] == load_checkpoint(tiny_checkpoint).sha256
    frame = json.loads(file.metadata["normalization"])
    assert frame == {"center": [10.0, 20.0, 30.0], "scale": pytest.approx(1 / 3)}
    assert len(mesh(encoded.with_name("mesh.glb")).faces) > 0


def test_encode_reports_metrics_as_json(
    source: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    printed = succeed("encode", source, "-o", tmp_path, "--weights", tiny_checkpoint, "--json")
    report = json.loads(printed)
    [shape] = report["shapes"]
    assert report["operation"] == "encode"
    assert report["model"]["name"] == "tiny"
    assert shape["latents"] == str(tmp_path / "shape.safetensors")
    assert shape["mesh"]["path"] == str(tmp_path / "mesh.glb")
    assert shape["mesh"]["faces"] == len(mesh(tmp_path / "mesh.glb").faces)
    assert 0 < shape["metrics"]["chamfer"] < 2
    assert 0 <= shape["metrics"]["f_score"] <= 1


def test_space_says_the_frame_of_the_mesh(
    encoded: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--weights", tiny_checkpoint)
    succeed("decode", encoded, "-o", tmp_path / "input.obj", *options)
    succeed("decode", encoded, "-o", tmp_path / "unit.obj", "--space", "normalized", *options)
    frame = Normalization((10.0, 20.0, 30.0), 1 / 3)
    expected = frame.invert(np.asarray(mesh(tmp_path / "unit.obj").vertices))
    np.testing.assert_allclose(mesh(tmp_path / "input.obj").vertices, expected, atol=1e-5)


def test_generate_names_folders_by_category_and_seed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    options = ("--seed", 2**64 - 1, "-n", 2, "-o", tmp_path, "--weights", tiny_checkpoint)
    printed = succeed("generate", "--category", "table", *options)
    seeds = [2**64 - 1, 0]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"table-{seed}" for seed in seeds)
    for seed, line in zip(seeds, printed.splitlines(), strict=True):
        folder = tmp_path / f"table-{seed}"
        assert line.startswith(f"{folder / 'mesh.glb'}: seed {seed}, ")
        metadata = latents(folder / "shape.safetensors").metadata
        assert (metadata["category"], metadata["seed"]) == ("table", str(seed))
        assert len(mesh(folder / "mesh.glb").faces) > 0


def test_one_seed_is_one_shape_bit_for_bit(
    generated: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for seed, same in ((5, True), (6, False)):
        options = ("--category", "chair", "--seed", seed, "-o", tmp_path)
        succeed("generate", *options, "--weights", tiny_checkpoint)
        again = tmp_path / f"chair-{seed}" / "shape.safetensors"
        for number, vectors in latents(generated).levels.items():
            assert np.array_equal(vectors, latents(again).levels[number]) == same


def test_generate_draws_and_tells_a_seed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = ("generate", "-o", tmp_path, "--weights", tiny_checkpoint, "--json")
    seeds = [json.loads(succeed(*command))["shapes"][0]["seed"] for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert {path.name for path in tmp_path.iterdir()} == {f"shape-{seed}" for seed in seeds}


def test_steps_and_guidance_matter(generated: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for option, value in (("--steps", 3), ("--guidance", 2.5)):
        output = tmp_path / option
        options = ("--category", "chair", "--seed", 5, option, value, "-o", output)
        succeed("generate", *options, "--weights", tiny_checkpoint)
        other = latents(output / "chair-5" / "shape.safetensors")
        assert not np.array_equal(other.levels[3], latents(generated).levels[3])


@pytest.mark.parametrize(("keep_level", "kept"), [(3, {3}), (2, {3, 2})])
def test_resample_keeps_coarse_levels(
    generated: Path, tiny_checkpoint: Path, tmp_path: Path, keep_level: int, kept: set[int]
) -> None:
    options = ("-n", 2, "--seed", 11, "-o", tmp_path, "--weights", tiny_checkpoint)
    succeed("resample", generated, "--keep-level", keep_level, *options)
    parent = latents(generated).levels
    variants = [latents(tmp_path / f"variant-{seed}" / "shape.safetensors") for seed in (11, 12)]
    for number in (3, 2, 1):
        for variant in variants:
            same = np.array_equal(parent[number], variant.levels[number])
            assert same == (number in kept)
    assert not np.array_equal(variants[0].levels[1], variants[1].levels[1])
    assert variants[0].metadata["category"] == "chair"


@pytest.mark.parametrize("ending", MESH_FORMATS)
def test_decode_writes_what_the_ending_says(
    generated: Path, tiny_checkpoint: Path, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"shape.{ending}"
    succeed("decode", generated, "-o", path, "--weights", tiny_checkpoint)
    assert len(mesh(path).faces) == len(mesh(generated.with_name("mesh.glb")).faces)


def test_decode_at_a_finer_resolution(
    generated: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mesh.ply"
    succeed("decode", generated, "-o", path, "--resolution", 32, "--weights", tiny_checkpoint)
    assert len(mesh(path).faces) > 2 * len(mesh(generated.with_name("mesh.glb")).faces)


def test_target_faces_simplifies(
    generated: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def to_a_box(surface: trimesh.Trimesh, target_faces: int) -> trimesh.Trimesh:
        asked.append(target_faces)
        return box().mesh

    monkeypatch.setattr("model.cli.shapefolder.simplify", to_a_box)
    path = tmp_path / "mesh.ply"
    succeed("decode", generated, "-o", path, "--target-faces", 12, "--weights", tiny_checkpoint)
    assert asked == [12]
    assert len(mesh(path).faces) == 12


def test_exhaustive_asks_every_sample(
    source: Path,
    generated: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    meshes = ShapePipeline.meshes

    def noted(*arguments: Any, exhaustive: bool = False, **options: Any) -> list[trimesh.Trimesh]:
        asked.append(exhaustive)
        return meshes(*arguments, exhaustive=exhaustive, **options)

    monkeypatch.setattr(ShapePipeline, "meshes", noted)
    weights = ("--weights", tiny_checkpoint)
    for command in (
        ("encode", source, "-o", tmp_path),
        ("generate", "-o", tmp_path),
        ("resample", generated, "-o", tmp_path),
        ("decode", generated, "-o", tmp_path / "mesh.ply"),
    ):
        succeed(*command, *weights)
        succeed(*command, "--exhaustive", *weights)
    assert asked == [False, True] * 4
