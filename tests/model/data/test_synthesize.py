"""Shards of procedural shapes: balanced, disjoint, repeatable, and rightly labelled."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import CATEGORIES
from model.data import procedural
from model.data.shards import PointCounts, ShapeSample, ShardError, read_shards
from model.data.synthesize import JUMBLE, sample_shapes, shape_names, synthesize


@pytest.fixture(scope="module")
def chair() -> ShapeSample:
    """The record of chair 3."""
    return sample_shapes(["chair:3"])[0]


def signed_distance(points: np.ndarray) -> np.ndarray:
    """Distances of canonical points to chair 3, by the generator itself."""
    queries = torch.from_numpy(points.astype(np.float32))[None]
    return procedural.build("chair", 3).signed_distance(queries)[0].numpy()


def test_categories_take_turns() -> None:
    names = shape_names(per_category=2, jumbles=3, seed=0, split="train")
    kinds = [name.partition(":")[0] for name in names]
    assert kinds == [*CATEGORIES, JUMBLE] * 2 + [JUMBLE]
    assert len(set(names)) == len(names)


def test_splits_and_seeds_share_no_shape() -> None:
    calls = [(0, "train"), (1, "train"), (0, "test"), (1, "test")]
    sets = [
        set(shape_names(per_category=5, jumbles=5, seed=seed, split=split)) for seed, split in calls
    ]
    assert len(set.union(*sets)) == sum(len(names) for names in sets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed -1 is out of range"),
        ({"per_category": 1_000_001}, "use another seed"),
    ],
)
def test_refuses_what_would_share_shapes(arguments: dict[str, object], message: str) -> None:
    valid = {"per_category": 1, "jumbles": 0, "seed": 0, "split": "train"}
    with pytest.raises(ValueError, match=message):
        shape_names(**(valid | arguments))


def test_labels_agree_with_the_signed_distance(chair: ShapeSample) -> None:
    assert (signed_distance(chair.inside) < 0).all()
    assert (signed_distance(chair.outside) >= 0).all()
    np.testing.assert_array_equal(chair.near_occupied, signed_distance(chair.near) < 0)
    assert 0 < chair.near_occupied.mean() < 1


def test_surface_lies_on_the_normalised_shape(chair: ShapeSample) -> None:
    assert np.abs(signed_distance(chair.surface)).max() < 5e-4  # float16 rounding below 1
    assert 0.9 < np.linalg.norm(chair.surface.astype(np.float64), axis=1).max() < 1.001


def test_outside_fills_the_ball_of_radius_sqrt_3(chair: ShapeSample) -> None:
    radius = np.linalg.norm(chair.outside.astype(np.float64), axis=1)
    assert 1.72 < radius.max() < 1.733
    assert (radius < 1).mean() == pytest.approx(3**-1.5, abs=0.04)


def test_a_shape_is_the_same_in_a_batch() -> None:
    _, sample = sample_shapes(["table:1", "chair:3"])
    assert (sample.name, sample.category) == ("chair:3", "chair")
    assert np.abs(signed_distance(sample.surface)).max() < 5e-4


def test_writes_the_same_shards_again(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        written = synthesize(tmp_path / folder, per_category=1, jumbles=2, seed=5, split="test")
        assert written == len(CATEGORIES) + 2
    first, second = read_shards(tmp_path / "a"), read_shards(tmp_path / "b")
    assert first.names == second.names
    assert first.categories == (*CATEGORIES, None, None)
    for field in ("surface", "inside", "outside", "near", "near_occupied"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))


def test_the_number_of_processes_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.synthesize.SHAPES_PER_SHARD", 4)
    points = PointCounts(64, 64, 64)
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        written = synthesize(folder, per_category=1, seed=5, points=points, workers=workers)
        assert written == 7
    alone, together = (sorted((tmp_path / name).iterdir()) for name in ("1", "2"))
    assert [file.name for file in alone] == [file.name for file in together]
    assert len(alone) == 2
    assert [file.read_bytes() for file in alone] == [file.read_bytes() for file in together]


def test_keeps_finished_shards_and_adds_other_seeds(tmp_path: Path) -> None:
    synthesize(tmp_path, per_category=0, jumbles=2, seed=0)
    (shard,) = tmp_path.iterdir()
    before = shard.stat().st_mtime_ns
    assert synthesize(tmp_path, per_category=0, jumbles=2, seed=0) == 0
    assert shard.stat().st_mtime_ns == before
    assert synthesize(tmp_path, per_category=0, jumbles=3, seed=1) == 3
    assert len(set(read_shards(tmp_path).names)) == 5


def test_gives_as_many_points_as_asked_for() -> None:
    (sample,) = sample_shapes(["lamp:2"], PointCounts(surface=9_000, volume=12_000, near=10))
    assert sample.surface.shape == (9_000, 3)
    assert sample.inside.shape == sample.outside.shape == (6_000, 3)
    assert sample.near.shape == (10, 3)


def test_refuses_to_go_on_with_other_numbers_of_points(tmp_path: Path) -> None:
    few = PointCounts(surface=8, volume=8, near=8)
    synthesize(tmp_path, per_category=0, jumbles=1, seed=0, points=few)
    with pytest.raises(ShardError, match=r"holds 8 surface.* not 4096 surface.*another folder"):
        synthesize(tmp_path, per_category=0, jumbles=1, seed=0)
