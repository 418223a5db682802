"""A converted release computes what the release computes, and what is no release is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from model.autoencoder import AutoEncoder
from model.checkpoint import load_checkpoint
from model.cli import main
from model.config import PRESETS
from model.geometry.sampling import farthest_point_order
from model.latents import Latents
from model.released import ReleasedCheckpointError, load_released, released_name
from tests.parity import released_model

DIM, LAYERS = 128, 2
CHANNELS = (16, 32, 64)  # of networks.0, 1, 2: levels 1, 2, 3
TOKENS = (2048, 512, 128)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return released_model.random_weights(DIM, CHANNELS, LAYERS, seed=0)


@pytest.fixture(scope="module")
def points() -> Tensor:
    """8192 points of a bumpy closed surface in the unit sphere."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(8192, 3, generator=generator), dim=1)
    surface = directions * (0.8 + 0.2 * (5 * directions).sin().prod(dim=1, keepdim=True))
    return surface / surface.norm(dim=1).max()


@pytest.fixture
def released(weights: dict[str, Tensor], tmp_path: Path) -> Path:
    path = tmp_path / "official.pth"
    torch.save({"model": weights}, path)
    return path


def relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@torch.inference_mode()
def test_a_converted_release_gives_the_releases_latents_and_logits(
    released: Path, weights: dict[str, Tensor], points: Tensor, tmp_path: Path
) -> None:
    converted = CliRunner().invoke(main, ["convert", str(released), "-o", str(tmp_path / "out")])
    assert converted.exit_code == 0, converted.output
    ours = load_checkpoint(tmp_path / "out").autoencoder
    theirs = released_model.encode(weights, points, TOKENS)
    latents = ours.encode(points[None])
    for number, released_latents in enumerate(theirs, start=1):
        assert relative(latents.level(number)[0], released_latents) < 1e-4
    queries = torch.rand(2000, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1
    logits = released_model.decode(weights, theirs, queries)
    same_latents = Latents(tuple(level[None] for level in reversed(theirs)))
    assert relative(ours.decode(same_latents)(queries[None])[0], logits) < 1e-4
    assert relative(ours.decode(latents)(queries[None])[0], logits) < 1e-4


@torch.inference_mode()
def test_served_clouds_encode_as_the_release_would(
    released: Path, weights: dict[str, Tensor], points: Tensor
) -> None:
    """One farthest-point run ordered in preprocessing stands for the release's run a level."""
    _, ours = load_released(released, name="x")
    order = farthest_point_order(points.numpy(), 2048)
    rest = sorted(set(range(len(points))) - set(order.tolist()))
    ordered = points[torch.tensor([*order.tolist(), *rest])]
    latents = ours.encode(ordered[None], ordered=True)
    for number, theirs in enumerate(released_model.encode(weights, points, TOKENS), start=1):
        assert relative(latents.level(number)[0], theirs) < 1e-4


def test_the_layout_at_full_width_is_the_releases(repo_root: Path) -> None:
    listing = repo_root.parent / "shared" / "official" / "state_dict_shapes.json"
    if not listing.is_file():
        pytest.skip(f"no listing of the release at {listing}")
    with torch.device("meta"):
        ours = AutoEncoder(PRESETS["lagem-objaverse"].autoencoder).state_dict()
    named = {released_name(key, 3): list(tensor.shape) for key, tensor in ours.items()}
    assert named | {"point_embed.basis": [3, 24]} == json.loads(listing.read_text())


def test_the_written_config_tells_the_sizes(released: Path) -> None:
    config, _ = load_released(released, name="mine")
    sizes = [(level.tokens, level.channels, level.layers) for level in config.autoencoder.levels]
    assert (config.name, config.autoencoder.channels, config.cascade) == ("mine", DIM, None)
    assert sizes == [(128, 64, LAYERS), (512, 32, LAYERS), (2048, 16, LAYERS)]


def test_half_precision_is_near(released: Path, tmp_path: Path) -> None:
    arguments = ["convert", str(released), "-o", str(tmp_path / "out"), "--half", "--json"]
    converted = CliRunner().invoke(main, arguments)
    facts = json.loads(converted.output)
    exact = load_released(released, name="x")[1]
    half = load_checkpoint(Path(facts["weights"])).autoencoder
    assert facts["parameters"] == sum(p.numel() for p in exact.parameters())
    difference = (half.to_logit.weight - exact.to_logit.weight).abs().max()
    assert 0 < difference < 1e-3


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (
            lambda w: w.pop("networks.1.layers.0.1.norm.bias"),
            r"missing networks\.1\.layers\.0\.1\.norm\.bias",
        ),
        (lambda w: w.update(extra=torch.zeros(1)), "unexpected extra"),
        (
            lambda w: w.update({"to_outputs.bias": torch.zeros(2)}),
            r"to_outputs\.bias \(2,\) instead of \(1,\)",
        ),
        (
            lambda w: w.update({"point_embed.basis": w["point_embed.basis"] * 2}),
            "not the basis of the release",
        ),
        (lambda w: w.pop("networks.2.gamma"), r"missing networks\.2\.gamma$"),
        (
            lambda w: w.update({"to_outputs.bias": torch.full((1,), torch.nan)}),
            r"not finite real numbers: to_outputs\.bias",
        ),
        (
            lambda w: w.update({"to_outputs.bias": torch.zeros(1, dtype=torch.complex64)}),
            r"not finite real numbers: to_outputs\.bias",
        ),
        (lambda w: w.pop("point_embed.mlp.weight"), "not a LaGeM autoencoder of 3 levels"),
    ],
)
def test_what_is_no_release_is_refused_by_name(
    weights: dict[str, Tensor], tmp_path: Path, change: object, cause: str
) -> None:
    changed = dict(weights)
    change(changed)  # type: ignore[operator]
    with pytest.raises(ReleasedCheckpointError, match=cause):
        load_released(saved(tmp_path / "x.pth", {"model": changed}), name="x")


def test_a_width_that_is_no_multiple_of_64_is_refused(tmp_path: Path) -> None:
    narrow = released_model.random_weights(96, CHANNELS, 1, seed=0)
    with pytest.raises(ValueError, match=r"channels \(96\) must be a positive multiple"):
        load_released(saved(tmp_path / "x.pth", {"model": narrow}), name="x")


def test_a_long_list_of_names_is_cut(weights: dict[str, Tensor], tmp_path: Path) -> None:
    few = {
        key: value for key, value in weights.items() if not key.startswith(("decoder", "upsample"))
    }
    with pytest.raises(ReleasedCheckpointError, match=r"missing decoder.* and 28 more"):
        load_released(saved(tmp_path / "x.pth", {"model": few}), name="x")


class Code:
    """Something that only a pickle with code could bring back."""


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"weights": {}}, "no state dict under 'model'"),
        ({"model": {"a": 1}}, "no state dict under 'model'"),
        ({"model": {1: torch.zeros(1)}}, "no state dict under 'model'"),
        ({"model": Code()}, "could run code"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: object, cause: str) -> None:
    with pytest.raises(ReleasedCheckpointError, match=cause):
        load_released(saved(tmp_path / "x.pth", content), name="x")


def test_bytes_that_are_no_checkpoint_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(b"solid cube\n" * 100)
    result = CliRunner().invoke(main, ["convert", str(path), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "torch checkpoint" in result.output
    assert not (tmp_path / "out").exists()
    assert len(result.output.splitlines()) == 1


def test_a_file_of_the_older_torch_format_is_read(
    weights: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "x.pth"
    torch.save({"model": weights}, path, _use_new_zipfile_serialization=False)
    assert load_released(path, name="x")[0].autoencoder.channels == DIM


def test_a_cut_file_is_refused(released: Path) -> None:
    released.write_bytes(released.read_bytes()[:100_000])
    with pytest.raises(ReleasedCheckpointError, match=r"no (whole )?torch checkpoint"):
        load_released(released, name="x")
