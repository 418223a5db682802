"""The offline commands over a tiny model: what they write, print and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result

from model.checkpoint import load_checkpoint, save_checkpoint
from model.cli import main
from model.cli.options import MESH_FORMATS
from model.config import CATEGORIES, PRESETS, ModelConfig
from model.data.shards import read_shards
from model.geometry.mesh import EXPORT_FORMATS, export_mesh, load_mesh
from model.geometry.normalization import Normalization
from model.latentfile import LatentFile
from model.pipeline import ShapePipeline
from tests.shapes import box, moved


def lagem(*arguments: object) -> Result:
    """Run a command; an exception that is not answered in one line fails the test."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def succeed(*arguments: object) -> str:
    result = lagem(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refuse(*arguments: object) -> str:
    """The one line on stderr of a command that exits with 2."""
    result = lagem(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    *usage, line = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert not usage or usage[0].startswith("Usage: ")
    return line


def latents(path: Path) -> LatentFile:
    return LatentFile.from_bytes(path.read_bytes())


def mesh(path: Path) -> trimesh.Trimesh:
    return load_mesh(path.read_bytes(), hint=path.name)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mesh file far from the canonical frame."""
    path = tmp_path_factory.mktemp("source") / "box.stl"
    path.write_bytes(export_mesh(moved(box((2.0, 4.0, 4.0)).mesh, (10.0, 20.0, 30.0)), "stl"))
    return path


@pytest.fixture(scope="module")
def encoded(source: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The latents file of `source`."""
    folder = tmp_path_factory.mktemp("encoded")
    succeed("encode", source, "-o", folder, "--weights", tiny_checkpoint)
    return folder / "shape.safetensors"


@pytest.fixture(scope="module")
def generated(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The latents file of a generated chair."""
    folder = tmp_path_factory.mktemp("generated")
    succeed(
        "generate", "--category", "chair", "--seed", 5, "-o", folder, "--weights", tiny_checkpoint
    )
    return folder / "chair-5" / "shape.safetensors"


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


def test_usage_is_checked_before_the_model_is_loaded(generated: Path, tmp_path: Path) -> None:
    nowhere = ("--weights", tmp_path)
    assert "shape.xyz" in refuse("decode", generated, "-o", tmp_path / "shape.xyz", *nowhere)
    assert "'gltf'" in refuse("generate", "--format", "gltf", *nowhere)
    assert "--steps" in refuse("generate", "--steps", 1, *nowhere)
    assert "No such option" in refuse("generate", "--sede", 1, *nowhere)


def test_files_at_fault_are_named(tiny_checkpoint: Path, generated: Path, tmp_path: Path) -> None:
    options = ("--weights", tiny_checkpoint)
    text = tmp_path / "text.obj"
    text.write_text("nothing of the kind\n")
    assert "does not exist" in refuse("encode", tmp_path / "absent.glb", *options)
    assert f"{text}: " in refuse("encode", text, "-o", tmp_path / "out", *options)
    assert f"{text}: " in refuse("decode", text, "-o", tmp_path / "mesh.glb", *options)
    assert "config.json" in refuse("generate", "--weights", tmp_path)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "mesh.glb").exists()


def test_unknown_category_lists_the_known(tiny_checkpoint: Path, tmp_path: Path) -> None:
    line = refuse("generate", "--category", "bicycle", "-o", tmp_path, "--weights", tiny_checkpoint)
    assert "bicycle" in line
    assert "'airplane', 'sofa'" in line


def test_keep_level_must_exist(generated: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    line = refuse(
        "resample", generated, "--keep-level", 4, "-o", tmp_path, "--weights", tiny_checkpoint
    )
    assert "from 2 to 3" in line


def test_latents_of_other_weights_need_a_word(
    generated: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    with torch.no_grad():
        checkpoint.autoencoder.to_logit.bias += 0.01
    save_checkpoint(tmp_path / "w", checkpoint.config, checkpoint.autoencoder, checkpoint.cascade)
    command = ("decode", generated, "-o", tmp_path / "mesh.glb", "--weights", tmp_path / "w")
    assert "--any-weights" in refuse(*command)
    succeed(*command, "--any-weights")


def test_latents_of_another_size_are_refused(
    tiny_checkpoint: Path, generated: Path, tmp_path: Path
) -> None:
    levels = dict(latents(generated).levels)
    levels[1] = levels[1][:-1]
    path = tmp_path / "shape.safetensors"
    path.write_bytes(LatentFile(levels).to_safetensors())
    line = refuse("decode", path, "-o", tmp_path / "mesh.glb", "--weights", tiny_checkpoint)
    assert "level1 15x4" in line
    assert "level1 16x4" in line


def test_a_model_without_cascade_says_so(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    config = replace(checkpoint.config, cascade=None)
    save_checkpoint(tmp_path / "weights", config, checkpoint.autoencoder, None)
    assert "no cascade" in refuse("generate", "--weights", tmp_path / "weights")


def test_a_shape_without_surface_keeps_its_latents(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    with torch.no_grad():
        checkpoint.autoencoder.to_logit.bias -= 1e3
    weights = tmp_path / "weights"
    save_checkpoint(weights, checkpoint.config, checkpoint.autoencoder, checkpoint.cascade)
    result = lagem("generate", "--seed", 1, "-o", tmp_path, "--weights", weights, "--json")
    folder = tmp_path / "shape-1"
    assert result.exit_code == 2
    assert "no surface" in result.stderr
    assert json.loads(result.stdout)["shapes"][0]["mesh"] is None
    assert [path.name for path in folder.iterdir()] == ["shape.safetensors"]
    line = refuse(
        "decode", folder / "shape.safetensors", "-o", tmp_path / "m.glb", "--weights", weights
    )
    assert "no surface" in line


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    printed = succeed("data", "synth", "-o", folder, "--per-category", 1, "--json")
    assert json.loads(printed) == {"folder": str(folder), "shapes": 7}
    return folder


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


SMALL_BATCH = ("--shapes", 2, "--surface-points", 64, "--volume-queries", 8, "--near-queries", 8)


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch, tiny_config: ModelConfig) -> str:
    monkeypatch.setitem(PRESETS, "tiny", tiny_config)
    return "tiny"


def train_autoencoder(run: Path, shards: Path, steps: int = 2, *more: object) -> dict[str, Any]:
    command = ("train", "autoencoder", "--preset", "tiny", "--data", shards, "--run", run)
    report: dict[str, Any] = json.loads(
        succeed(*command, "--steps", steps, *SMALL_BATCH, *more, "--json")
    )
    return report


def test_training_goes_from_shards_to_a_checkpoint(
    tiny_preset: str, shards: Path, tmp_path: Path
) -> None:
    run, weights = tmp_path / "run", tmp_path / "weights"
    report = train_autoencoder(run, shards)
    assert report["step"] == 2
    assert report["loss"] > 0
    exported = json.loads(succeed("train", "export", run, "-o", weights, "--json"))
    assert exported["levels"] == []
    assert load_checkpoint(weights).cascade is None

    settings = ("--run", run, "--steps", 1, "--draws", 8, "--batch", 2, "--surface-points", 64)
    succeed("train", "diffusion", "--level", 3, "--data", shards, *settings)
    kept = (run / "latents.safetensors").stat().st_mtime_ns
    succeed("train", "diffusion", "--level", 2, *settings)
    assert (run / "latents.safetensors").stat().st_mtime_ns == kept
    assert "level1" in refuse("train", "export", run, "-o", weights)
    succeed("train", "diffusion", "--level", 1, *settings)

    exported = json.loads(succeed("train", "export", run, "-o", weights, "--json"))
    assert exported["levels"] == [1, 2, 3]
    assert exported["step"] == 2
    assert load_checkpoint(weights).sha256 == exported["sha256"]


def test_training_goes_on_where_it_was(tiny_preset: str, shards: Path, tmp_path: Path) -> None:
    train_autoencoder(tmp_path / "parts", shards, 2, "--save-every", 1, "--warmup", 9)
    train_autoencoder(tmp_path / "parts", shards, 4, "--save-every", 1, "--warmup", 9)
    train_autoencoder(tmp_path / "whole", shards, 4, "--warmup", 9)
    states = [
        torch.load(tmp_path / run / "autoencoder" / "state.pt", weights_only=True)
        for run in ("parts", "whole")
    ]
    for name, values in states[0]["ema"].items():
        torch.testing.assert_close(values, states[1]["ema"][name])


def test_latents_of_an_older_autoencoder_are_made_again(
    tiny_preset: str, shards: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train_autoencoder(run, shards)
    settings = ("--run", run, "--steps", 1, "--draws", 4, "--batch", 2, "--surface-points", 64)
    assert "--data" in refuse("train", "diffusion", "--level", 3, *settings)
    succeed("train", "diffusion", "--level", 3, "--data", shards, *settings)
    train_autoencoder(run, shards, 3)
    assert "autoencoder_step: 2 -> 3" in refuse("train", "diffusion", "--level", 3, *settings)
    assert "step 3" in refuse("train", "diffusion", "--level", 2, *settings)


def test_training_refuses_what_cannot_be(tiny_preset: str, shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ("train", "autoencoder", "--data", shards, "--run", run, "--steps", 1)
    assert "choose one of starter, " in refuse(*command, "--preset", "huge")
    assert not run.exists()
    train_autoencoder(run, shards)
    assert "another --run" in refuse(*command, "--preset", "starter")
    level = ("train", "diffusion", "--run", run, "--steps", 1, "--data", shards)
    assert "3 levels" in refuse(*level, "--level", 4)
    assert "train autoencoder" in refuse("train", "export", tmp_path, "-o", tmp_path / "weights")
    empty = tmp_path / "empty"
    empty.mkdir()
    other = ("train", "autoencoder", "--preset", "tiny", "--run", tmp_path / "other", "--steps", 1)
    assert "lagem data" in refuse(*other, "--data", empty)


def test_help_shows_the_defaults_of_the_configs() -> None:
    printed = succeed("train", "autoencoder", "--help")
    assert "--near-weight" in printed
    assert "[default: 0.1" in printed
    assert "[default: (0.75," in printed


@pytest.fixture
def quick_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.subjects.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.scores.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.levels.POINTS", 256)
    monkeypatch.setattr("model.evaluation.sheets.PICTURE", 24)
    monkeypatch.setattr("model.evaluation.sheets.FAMILY_PICTURE", 24)
    monkeypatch.setattr("model.evaluation.pictures._PROCEDURAL_CELLS", 24)


def evaluated(name: str, weights: Path, out: Path, *options: object) -> dict[str, Any]:
    """The report of `lagem evaluate NAME`; it is written, with its Markdown and picture, too."""
    command = ("evaluate", name, "--resolution", 8, "--weights", weights, "-o", out)
    report: dict[str, Any] = json.loads(succeed(*command, *options, "--json"))
    assert json.loads((out / f"{name}.json").read_text()) == report
    assert f"![{name}]({name}.png)" in (out / f"{name}.md").read_text()
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return report


def test_evaluate_reconstruction_writes_numbers_and_a_picture(
    shards: Path, tiny_checkpoint: Path, tmp_path: Path, quick_evaluation: None
) -> None:
    data = ("--data", shards, "--limit", 2)
    report = evaluated("reconstruction", tiny_checkpoint, tmp_path, *data)
    assert [shape["category"] for shape in report["shapes"]] == ["table", "airplane"]
    assert "| table | 1 | " in (tmp_path / "reconstruction.md").read_text()


def test_evaluate_levels_writes_numbers_and_a_picture(
    tiny_checkpoint: Path, tmp_path: Path, quick_evaluation: None
) -> None:
    family = ("--category", "lamp", "--parents", 2, "--variants", 2, "--steps", 2)
    report = evaluated("levels", tiny_checkpoint, tmp_path, *family)
    assert list(report["categories"]) == ["lamp"]
    command = ("evaluate", "levels", "--weights", tiny_checkpoint, "--category", "boat")
    assert "unknown category" in refuse(*command)


def test_evaluate_levels_needs_a_cascade(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    config = replace(checkpoint.config, cascade=None)
    save_checkpoint(tmp_path, config, checkpoint.autoencoder, None)
    assert "no cascade" in refuse("evaluate", "levels", "--weights", tmp_path)


def test_evaluate_noise_writes_numbers_and_a_picture(
    shards: Path, tiny_checkpoint: Path, tmp_path: Path, quick_evaluation: None
) -> None:
    report = evaluated("noise", tiny_checkpoint, tmp_path, "--data", shards, "--limit", 1)
    assert len(report["to_reconstruction"]) == 7


def test_evaluate_needs_shapes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = ("evaluate", "reconstruction", "--data", tmp_path, "--weights", tiny_checkpoint)
    assert "neither shards" in refuse(*command)
