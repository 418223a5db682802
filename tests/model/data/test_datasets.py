from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from model.data.datasets import Batch, BatchConfig, TrainingShapes, load_shapes, random_rotations
from model.data.shards import ShardError, write_shard
from tests.model.data.test_shards import sample
from tests.model.training.test_stages import balls

__all__ = ["balls"]  # the fixture


def draw(shapes: TrainingShapes, seed: int, /, **changes: object) -> object:
    sizes = {"shapes": 8, "surface_points": 100, "volume_queries": 60, "near_queries": 50}
    config = BatchConfig(**(sizes | changes))  # type: ignore[arg-type]
    return shapes.draw(config, torch.Generator().manual_seed(seed))


def test_half_of_the_volume_queries_are_inside(balls: TrainingShapes) -> None:
    batch = draw(balls, 0)
    assert batch.volume_labels.mean(dim=1).tolist() == [0.5] * 8  # type: ignore[attr-defined]


def test_labels_stay_true_under_rotation(balls: TrainingShapes) -> None:
    # Unscaled balls stay balls: the label is the radius, whatever the rotation.
    batch = draw(balls, 0, rotate=1.0, axis_scaling=(1.0, 1.0))
    inside = batch.volume.norm(dim=-1) < 1  # type: ignore[attr-defined]
    assert torch.equal(inside, batch.volume_labels > 0.5)  # type: ignore[attr-defined]


def test_scaled_shapes_are_normalised_again(balls: TrainingShapes) -> None:
    surface = draw(balls, 1, surface_points=2000).surface  # type: ignore[attr-defined]
    torch.testing.assert_close(surface.norm(dim=-1).amax(1), torch.ones(8))
    middle = (surface.amin(1) + surface.amax(1)) / 2
    torch.testing.assert_close(middle, torch.zeros(8, 3), atol=1e-5, rtol=0)
    assert (surface.norm(dim=-1).amin(1) < 0.97).any()  # some balls became ellipsoids


def test_the_generator_decides_everything(balls: TrainingShapes) -> None:
    assert torch.equal(draw(balls, 3).near, draw(balls, 3).near)  # type: ignore[attr-defined]
    assert not torch.equal(draw(balls, 3).near, draw(balls, 4).near)  # type: ignore[attr-defined]


def test_rotations_are_rotations() -> None:
    rotations = random_rotations(50, torch.Generator().manual_seed(0), torch.device("cpu"))
    torch.testing.assert_close(
        rotations @ rotations.mT, torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders of shards with three, one and two shapes; the last two are mapped together."""
    first, second = tmp_path / "first", tmp_path / "second"
    write_shard(
        first / "b.safetensors",
        [sample("b", category="chair"), sample("c", category="table"), sample("d")],
        source="test",
    )
    write_shard(first / "a.safetensors", [sample("a", category="ship")], source="test")
    others = [sample("e", category="chair"), sample("f", category="chair")]
    write_shard(second / "a.safetensors", others, source="test")
    return [first, second]


def load(folders: list[Path], *, on_disk: bool = False) -> TrainingShapes:
    return load_shapes(folders, torch.device("cpu"), ("table", "chair"), on_disk=on_disk)


@pytest.mark.parametrize("seed", [0, 1])
def test_shapes_on_disk_give_the_same_batches(folders: list[Path], seed: int) -> None:
    held, mapped = load(folders), load(folders, on_disk=True)
    first, second = draw(held, seed, shapes=40), draw(mapped, seed, shapes=40)
    for field in fields(Batch):
        one, other = getattr(first, field.name), getattr(second, field.name)
        assert torch.equal(one, other)
        assert one.dtype == other.dtype


@pytest.mark.parametrize("on_disk", [False, True])
def test_every_shape_keeps_its_own_points(folders: list[Path], on_disk: bool) -> None:
    shapes = load(folders, on_disk=on_disk)
    rows = torch.arange(len(shapes))
    expected = [torch.from_numpy(sample(name).near).float() for name in "abcdef"]
    assert torch.equal(shapes.near.whole(rows), torch.stack(expected))


@pytest.mark.parametrize("on_disk", [False, True])
def test_categories_are_places_among_the_models(folders: list[Path], on_disk: bool) -> None:
    # A ship is none of them, d has no name at all.
    assert load(folders, on_disk=on_disk).category.tolist() == [-1, 1, 0, -1, 1, 1]


def test_shapes_on_disk_are_read_when_they_are_drawn(tmp_path: Path) -> None:
    file, other = tmp_path / "a" / "x.safetensors", tmp_path / "b" / "x.safetensors"
    write_shard(file, [sample("a")], source="test")
    write_shard(other, [sample("b")], source="test")
    shapes = load([file.parent], on_disk=True)
    with file.open("r+b") as stream:  # the same file, with other points in it
        stream.write(other.read_bytes())
    drawn = shapes.surface.whole(torch.tensor([0]))
    assert torch.equal(drawn, torch.from_numpy(sample("b").surface)[None].float())


@pytest.mark.parametrize("on_disk", [False, True])
def test_refuses_folders_that_do_not_go_together(
    folders: list[Path], tmp_path: Path, on_disk: bool
) -> None:
    with pytest.raises(ShardError, match=r"no \*\.safetensors file"):
        load([*folders, tmp_path], on_disk=on_disk)
    write_shard(tmp_path / "odd" / "a.safetensors", [sample("x", points=9)], source="test")
    with pytest.raises(ShardError, match="holds 9 surface"):
        load([*folders, tmp_path / "odd"], on_disk=on_disk)


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"shapes": 0}, "shapes must be at least 1"),
        ({"volume_queries": 3}, "give an even number, not 3"),
        ({"rotate": 1.5}, "rotate is a probability"),
        ({"axis_scaling": (2.0, 1.0)}, "0 < low <= high, got 2 1"),
        ({"axis_scaling": (float("nan"), 1.0)}, "0 < low <= high"),
    ],
)
def test_a_batch_that_cannot_be_drawn_is_refused(settings: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        BatchConfig(**settings)
