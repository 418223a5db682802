"""Shards: what is written is what is read, and what is not a shard is refused."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from model.data.shards import (
    PointCounts,
    ShapeSample,
    ShardError,
    read_header,
    read_shards,
    write_shard,
)


def sample(name: str, *, category: str | None = None, points: int = 6) -> ShapeSample:
    """A sample of random points, different for each name."""
    rng = np.random.default_rng(sum(name.encode()))

    def cloud(count: int) -> np.ndarray:
        return rng.uniform(-1, 1, (count, 3)).astype(np.float16)

    return ShapeSample(
        surface=cloud(points),
        inside=cloud(4),
        outside=cloud(4),
        near=cloud(8),
        near_occupied=rng.integers(0, 2, 8).astype(np.uint8),
        category=category,
        name=name,
    )


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    samples = [sample("chair:7", category="bücher, regal"), sample("größe.ply")]
    write_shard(tmp_path / "a.safetensors", samples, source="test")
    arrays = read_shards(tmp_path)
    assert arrays.names == ("chair:7", "größe.ply")
    assert arrays.categories == ("bücher, regal", None)
    for field in ("surface", "inside", "outside", "near", "near_occupied"):
        expected = np.stack([getattr(one, field) for one in samples])
        np.testing.assert_array_equal(getattr(arrays, field), expected)
        assert getattr(arrays, field).dtype == expected.dtype


def test_concatenates_shards_in_order_of_file_name(tmp_path: Path) -> None:
    write_shard(tmp_path / "b.safetensors", [sample("third")], source="test")
    write_shard(tmp_path / "a.safetensors", [sample("first"), sample("second")], source="test")
    arrays = read_shards(tmp_path)
    assert arrays.names == ("first", "second", "third")
    np.testing.assert_array_equal(arrays.near[2], sample("third").near)


def test_reads_files_in_the_order_given(tmp_path: Path) -> None:
    files = [tmp_path / "b.safetensors", tmp_path / "a.safetensors"]
    for file in files:
        write_shard(file, [sample(file.stem)], source="test")
    assert read_shards(files).names == ("b", "a")
    assert read_shards(files[1]).names == ("a",)


def test_header_tells_of_the_shapes(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.safetensors", [sample("x", category="x"), sample("y")], source="test")
    header = read_header(tmp_path / "a.safetensors")
    assert header.names == ("x", "y")
    assert header.categories == ("x", None)
    assert header.points == PointCounts(surface=6, volume=8, near=8)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"surface": 0}, "at least one surface point"),
        ({"volume": 3}, "volume points come in two halves: give an even number, not 3"),
        ({"near": 0}, "near points .* not 0"),
    ],
)
def test_refuses_counts_that_cannot_be(counts: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointCounts(**counts)


def test_leaves_only_the_shard_behind(tmp_path: Path) -> None:
    write_shard(tmp_path / "deep" / "a.safetensors", [sample("x")], source="test")
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "at least one shape"),
        ([sample("x"), sample("y", points=7)], "size of 'surface'"),
    ],
)
def test_refuses_samples_that_make_no_shard(
    tmp_path: Path, samples: list[ShapeSample], message: str
) -> None:
    with pytest.raises(ShardError, match=message):
        write_shard(tmp_path / "a.safetensors", samples, source="test")
    assert not list(tmp_path.iterdir())


def test_refuses_shards_of_different_sizes(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.safetensors", [sample("x")], source="test")
    write_shard(tmp_path / "b.safetensors", [sample("y", points=7)], source="test")
    with pytest.raises(ShardError, match=r"b\.safetensors holds 7 surface.*a\.safetensors 6"):
        read_shards(tmp_path)


def test_refuses_another_format_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"no \*\.safetensors file"):
        read_shards(tmp_path)
    save_file({"weight": np.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(ShardError, match="shard format 'none'"):
        read_shards(tmp_path)
    save_file({"weight": np.zeros(3)}, tmp_path / "a.safetensors", {"format": "lagem-shard-1"})
    with pytest.raises(ShardError, match=r"'lagem-shard-1'.* make the shards again"):
        read_shards(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"cut off")
    with pytest.raises(ShardError, match=r"a\.safetensors: no shard"):
        read_shards(tmp_path)
