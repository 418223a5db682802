"""Where large things are kept: points, latents, meshes; Redis holds only their names."""

from datetime import timedelta
from typing import Protocol


class BlobMissing(LookupError):
    """There is no blob of this name: it was never written, or has been swept."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"there is no blob {ref!r}")
        self.ref = ref


class BlobStore(Protocol):
    """Named byte strings, written whole and never changed in place.

    A name (``ref``) is a relative path of ``[A-Za-z0-9_.-]`` parts, none with a dot in front, such
    as ``latents/shp_1.safetensors``; its first part is a folder that ``sweep`` clears by age. Any
    other name is a ``ValueError``.
    """

    async def put(self, ref: str, data: bytes) -> None:
        """Write a blob: once this returns, no crash loses it; readers never see a part of it."""

    async def get(self, ref: str) -> bytes:
        """Read a blob. Raises ``BlobMissing``."""

    async def exists(self, ref: str) -> bool:
        """Tell whether there is such a blob."""

    async def delete(self, ref: str) -> None:
        """Remove a blob, if it is there."""

    async def sweep(self, folder: str, older_than: timedelta) -> int:
        """Remove the blobs of a top folder that were written longer ago; returns how many."""
