"""Latents of one shape as a file: safetensors or npz, numpy only, never pickle.

Both containers hold one float32 array a level, named ``level3`` (coarsest) to ``level1`` (finest),
each (tokens, channels) without a batch axis, and text metadata: ``shape``, ``model``,
``weights_sha256``, ``category``, ``seed`` and ``normalization`` (JSON: ``center``, ``scale``).
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import safetensors
from jaxtyping import Float32
from safetensors.numpy import save

MAX_BYTES = 64 * 2**20
"""Largest decompressed size that is read; the paper's latents have 229,376 bytes."""

MAX_METADATA_LENGTH = 1000
"""Most characters of one metadata value."""

_METADATA = "metadata"
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
_LEVEL_NAME = re.compile(r"level([1-9])")
_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class LatentFileError(ValueError):
    """Bytes that are no latents; the message names the cause."""


@dataclass(frozen=True)
class LatentFile:
    """One shape's latent vector sets, by the paper's level number, and what is known about them.

    Attributes:
        levels: level number (L coarsest, 1 finest, none missing) to (tokens, channels), finite.
        metadata: text by key; empty where nothing is known.

    Raises:
        LatentFileError: a level is missing, empty or not finite.
    """

    levels: Mapping[int, Float32[np.ndarray, "_ _"]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = sorted(self.levels)
        if not found or found != list(range(1, len(found) + 1)):
            names = [_name(level) for level in found]
            raise LatentFileError(f"levels must go from level1 upwards without a gap, got {names}")
        for level, vectors in self.levels.items():
            if vectors.size == 0:
                raise LatentFileError(f"{_name(level)} is empty: its shape is {vectors.shape}")
            if not np.isfinite(vectors).all():
                raise LatentFileError(f"{_name(level)} has NaN or infinite values")

    @classmethod
    def from_bytes(cls, data: bytes) -> LatentFile:
        """Read either container: the bytes decide which.

        Raises:
            LatentFileError: the bytes are neither, or their content is not latents.
        """
        return cls.from_npz(data) if data.startswith(b"PK") else cls.from_safetensors(data)

    def to_safetensors(self) -> bytes:
        """As a safetensors file, metadata in its header."""
        data: bytes = save(self._named(), metadata=dict(self.metadata))
        return data

    @classmethod
    def from_safetensors(cls, data: bytes) -> LatentFile:
        """Inverse of `to_safetensors`.

        Raises:
            LatentFileError: the file is broken, or its content is not latents.
        """
        _check_size(len(data))
        try:
            tensors = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        except safetensors.SafetensorError as error:
            raise LatentFileError(f"not a readable safetensors file: {error}") from None
        levels = {}
        for name, tensor in tensors:
            level = _level(name)
            shape = tuple(tensor["shape"])
            _check_array(name, tensor["dtype"], "F32", shape)
            vectors = np.frombuffer(tensor["data"], dtype=np.dtype("<f4"))
            levels[level] = vectors.reshape(shape).astype(np.float32)
        return cls(levels, _safetensors_metadata(data))

    def to_npz(self) -> bytes:
        """As a compressed numpy archive; metadata are one JSON text named ``metadata``."""
        text = np.array(json.dumps(dict(self.metadata)))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, metadata=text, **self._named())
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> LatentFile:
        """Inverse of `to_npz`; sizes are checked before anything is decompressed.

        Raises:
            LatentFileError: the archive is broken or too large, or its content is not latents.
        """
        arrays = {
            member.removesuffix(".npy"): _read_npy(member, content)
            for member, content in _unzip(data).items()
        }
        text = arrays.pop(_METADATA, None)
        levels = {}
        for name, vectors in arrays.items():
            level = _level(name)
            _check_array(name, str(vectors.dtype), "float32", vectors.shape)
            levels[level] = vectors
        return cls(levels, {} if text is None else _parse_metadata(str(text)))

    def _named(self) -> dict[str, np.ndarray]:
        return {
            _name(level): np.ascontiguousarray(self.levels[level])
            for level in sorted(self.levels, reverse=True)
        }


def _name(level: int) -> str:
    return f"level{level}"


def _level(name: str) -> int:
    match = _LEVEL_NAME.fullmatch(name)
    if match is None:
        raise LatentFileError(f"unknown key {name!r}: expected level3, level2 and level1")
    return int(match.group(1))


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise LatentFileError(f"{size:,} bytes of latents; at most {MAX_BYTES:,} are read")


def _check_array(name: str, dtype: str, expected: str, shape: tuple[int, ...]) -> None:
    if dtype != expected:
        raise LatentFileError(f"{name} has dtype {dtype}: expected float32")
    if len(shape) != 2:
        raise LatentFileError(f"{name} has shape {shape}: expected (tokens, channels)")


def _safetensors_metadata(data: bytes) -> dict[str, str]:
    # The library reads metadata from files only; the header it has just checked is plain JSON.
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return _checked_metadata(header.get("__metadata__") or {})


def _parse_metadata(text: str) -> dict[str, str]:
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        raise LatentFileError("metadata is not JSON") from None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise LatentFileError("metadata must be a JSON object whose values are texts")
    return _checked_metadata(metadata)


def _checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    for name, value in metadata.items():
        if len(value) > MAX_METADATA_LENGTH:
            raise LatentFileError(
                f"metadata {name[:40]!r} has {len(value):,} characters; at most "
                f"{MAX_METADATA_LENGTH:,} are read"
            )
        if any("\ud800" <= character <= "\udfff" for character in name + value):
            raise LatentFileError(f"metadata {name[:40]!r} is not valid Unicode")
    return dict(metadata)


def _unzip(data: bytes) -> dict[str, bytes]:
    """The members of a zip archive by name, none larger than it declares."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_size(sum(member.file_size for member in archive.infolist()))
            return {member.filename: archive.read(member) for member in archive.infolist()}
    except _BROKEN_ARCHIVE as error:
        raise LatentFileError(f"not a readable npz archive: {error}") from None


def _read_npy(name: str, data: bytes) -> np.ndarray:
    """One array; its declared size is compared with the bytes before memory is spent on it."""
    stream = io.BytesIO(data)
    try:
        read_header = _NPY_HEADERS[np.lib.format.read_magic(stream)]
        shape, _, dtype = read_header(stream)
    except (ValueError, KeyError, RecursionError, MemoryError):
        raise LatentFileError(f"{name} in the npz archive is not a numpy array") from None
    if not all(type(size) is int and size >= 0 for size in shape):
        raise LatentFileError(f"{name} declares the shape {str(shape)[:100]}")
    found = len(data) - stream.tell()
    declared = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or declared != found:
        raise LatentFileError(
            f"{name} declares {declared:,} bytes of {dtype} values and holds {found:,}"
        )
    stream.seek(0)
    array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array
