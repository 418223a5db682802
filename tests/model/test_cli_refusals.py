"""What the commands on shapes refuse, in one line, and with which code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from model.checkpoint import load_checkpoint, save_checkpoint
from model.latentfile import LatentFile
from tests.model.command import lagem, latents, refuse, succeed


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
