"""What a crash may not lose: a file is synced, and every folder that leads to it."""

import os
from pathlib import Path

import pytest

from service.store.local import LocalBlobStore


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, int]]:
    """Device and inode of everything that was synced."""
    seen: set[tuple[int, int]] = set()
    plain = os.fsync

    def fsync(handle: int) -> None:
        status = os.fstat(handle)
        seen.add((status.st_dev, status.st_ino))
        plain(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


async def test_new_folders_are_synced_up_to_the_root(
    tmp_path: Path, synced: set[tuple[int, int]]
) -> None:
    store = LocalBlobStore(tmp_path / "data" / "blobs")
    # A new folder is an entry of its parent's.
    assert {identity(tmp_path), identity(tmp_path / "data")} <= synced
    await store.put("meshes/shp_1/64.glb", b"x")
    blobs = tmp_path / "data" / "blobs"
    lead = [blobs, blobs / "meshes", blobs / "meshes" / "shp_1"]
    assert {identity(path) for path in lead} <= synced
    assert identity(blobs / "meshes" / "shp_1" / "64.glb") in synced


async def test_a_folder_that_another_process_has_just_made_is_synced_too(
    tmp_path: Path, synced: set[tuple[int, int]]
) -> None:
    store = LocalBlobStore(tmp_path)
    (tmp_path / "meshes" / "shp_1").mkdir(parents=True)
    await store.put("meshes/shp_1/64.glb", b"x")
    lead = [tmp_path, tmp_path / "meshes", tmp_path / "meshes" / "shp_1"]
    assert {identity(path) for path in lead} <= synced
