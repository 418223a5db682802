"""Blobs in a folder: whole or absent, inside the folder or refused."""

import asyncio
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pytest

from service.store.blobs import BlobMissing, BlobStore
from service.store.local import LocalBlobStore


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


async def test_a_blob_comes_back_as_it_was(store: BlobStore) -> None:
    data = bytes(range(256)) * 1000
    await store.put("latents/shp_1.safetensors", data)
    assert await store.get("latents/shp_1.safetensors") == data
    assert await store.exists("latents/shp_1.safetensors")
    await store.put("latents/shp_1.safetensors", b"")
    assert await store.get("latents/shp_1.safetensors") == b""


@pytest.mark.parametrize("ref", ["latents/none", "latents", "latents/a/b"])
async def test_a_missing_blob_is_named(store: BlobStore, ref: str) -> None:
    await store.put("latents/a", b"x")
    assert not await store.exists(ref)
    with pytest.raises(BlobMissing) as caught:
        await store.get(ref)
    assert caught.value.ref == ref


async def test_deleting_twice_is_no_error(store: BlobStore) -> None:
    await store.put("a", b"x")
    await store.delete("a")
    await store.delete("a")
    assert not await store.exists("a")


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/./b",
        ".hidden",
        "a//b",
        "a/",
        "a\\b",
        "a\x00",
        "ä",
    ],
)
async def test_names_cannot_leave_the_folder(store: BlobStore, ref: str) -> None:
    for call in (store.get(ref), store.put(ref, b"x"), store.delete(ref), store.exists(ref)):
        with pytest.raises(ValueError, match="no blob name"):
            await call


async def test_readers_never_see_a_part(store: BlobStore) -> None:
    versions = [bytes([number]) * 200_000 for number in range(8)]
    await store.put("mesh", versions[0])

    async def read() -> None:
        for _ in range(20):
            assert await store.get("mesh") in versions

    await asyncio.gather(read(), read(), *(store.put("mesh", data) for data in versions))


async def test_a_failed_write_leaves_nothing(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        await store.put("meshes/a", b"x")
    assert list((tmp_path / "blobs" / "meshes").iterdir()) == []


async def test_sweeping_removes_only_old_blobs_of_the_folder(
    store: LocalBlobStore, tmp_path: Path
) -> None:
    for ref in ("meshes/old", "meshes/sub/old", "meshes/new", "latents/old"):
        await store.put(ref, b"x")
        if ref.endswith("old"):
            os.utime(tmp_path / "blobs" / ref, (0, 0))
    assert await store.sweep("meshes", timedelta(hours=1)) == 2
    assert [await store.exists(ref) for ref in ("meshes/old", "meshes/new")] == [False, True]
    assert await store.exists("latents/old")
    assert await store.sweep("nothing", timedelta(0)) == 0


async def test_a_sweep_takes_folders_that_have_long_been_empty(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    for ref in ("meshes/old/a", "meshes/young/a", "meshes/full/a"):
        await store.put(ref, b"x")
    for ref in ("meshes/old/a", "meshes/young/a"):
        await store.delete(ref)
    long_ago = time.time() - 100
    for ref in ("meshes/old", "meshes/full"):
        os.utime(tmp_path / ref, (long_ago, long_ago))
    assert await store.sweep("meshes", timedelta(seconds=50)) == 0
    assert {path.name for path in (tmp_path / "meshes").iterdir()} == {"young", "full"}
    await store.put("meshes/old/a", b"y")
    assert await store.get("meshes/old/a") == b"y"


async def test_a_folder_that_is_swept_under_a_write_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalBlobStore(tmp_path)
    make, swept = tempfile.mkstemp, []

    def after_a_sweep(
        *,
        prefix: str,
        dir: Path,  # noqa: A002
    ) -> tuple[int, str]:
        if not swept:
            swept.append(dir)
            dir.rmdir()
        return make(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "mkstemp", after_a_sweep)
    await store.put("meshes/shape/a", b"x")
    assert swept == [tmp_path / "meshes" / "shape"]
    assert await store.get("meshes/shape/a") == b"x"
