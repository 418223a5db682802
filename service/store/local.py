"""Blobs as files below one folder, for a deployment whose processes share a disk."""

import asyncio
import contextlib
import errno
import os
import re
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from service.store.blobs import BlobMissing

_REF = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_UNFINISHED = ".part-"
"""Names of refs never begin with a dot, so no unfinished file can be read as a blob."""


class LocalBlobStore:
    """A ``BlobStore`` in a local folder; file work runs in threads, off the event loop.

    A write goes to an unfinished file, is flushed to the disk, then renamed: readers see the old
    blob, or the new one, and never a part. Any number of processes may share the folder.

    Args:
        root: the folder; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        new = [folder for folder in (self._root, *self._root.parents) if not folder.exists()]
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in new:
            _sync_folder(folder.parent)

    async def put(self, ref: str, data: bytes) -> None:
        """Write a blob durably and in one step."""
        await asyncio.to_thread(self._write, self._path(ref), data)

    async def get(self, ref: str) -> bytes:
        """Read a blob. Raises ``BlobMissing``."""
        path = self._path(ref)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise BlobMissing(ref) from None

    async def exists(self, ref: str) -> bool:
        """Tell whether there is such a blob."""
        return await asyncio.to_thread(self._path(ref).is_file)

    async def delete(self, ref: str) -> None:
        """Remove a blob, if it is there."""
        await asyncio.to_thread(self._path(ref).unlink, missing_ok=True)

    async def sweep(self, folder: str, older_than: timedelta) -> int:
        """Remove the blobs of a top folder that were written longer ago; returns how many."""
        horizon = time.time() - older_than.total_seconds()
        return await asyncio.to_thread(_sweep, self._path(folder), horizon)

    def _path(self, ref: str) -> Path:
        if not _REF.fullmatch(ref):
            raise ValueError(f"{ref!r} is no blob name: use relative paths of [A-Za-z0-9_.-] parts")
        return self._root / ref

    def _write(self, path: Path, data: bytes) -> None:
        handle, unfinished = _unfinished_file(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink()
            raise
        # Folders may be new, of this process or of another that has not come to sync them yet.
        for folder in path.parents:
            _sync_folder(folder)
            if folder == self._root:
                break


def _unfinished_file(folder: Path) -> tuple[int, str]:
    """A new file in a folder, which is made; a sweep may remove it in between, but not twice."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path, horizon: float) -> int:
    removed = 0
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        # Another process may sweep the same folder at the same time, or write to it.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime >= horizon:
                continue
            if path.is_dir():
                _remove_if_empty(path)
            else:
                path.unlink()
                removed += 1
    return removed


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder that nothing was put into for long: each shape has one of its own."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
