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
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from tokenize import TokenError
from typing import Any

import numpy as np
import safetensors
from jaxtyping import Float32
from safetensors.numpy import save

MAX_BYTES = 64 * 2**20
"""Largest decompressed size that is read; the paper's latents have 229,376 bytes."""

MAX_METADATA_LENGTH = 1000
"""Most characters of one metadata value."""

MAX_HEADER_BYTES = 2**20
"""Largest safetensors header that is read: it is parsed whole, and costs many times its size."""

MAX_MEMBERS = 16
"""Most members of an npz archive; there are nine levels at most, and the metadata."""

_MOST_QUOTED = 200  # characters of other libraries' messages, which quote the file
_METADATA = "metadata"
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
)
_ZIP_ENTRY = b"PK\x01\x02"
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN_HEADER = (
    ArithmeticError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)
"""What numpy raises on a header, which it reads as a Python literal."""

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
        """As a safetensors file, metadata in its header; equal latents make equal bytes."""
        return _in_order(save(self._named(), metadata=dict(self.metadata)))

    @classmethod
    def from_safetensors(cls, data: bytes) -> LatentFile:
        """Inverse of `to_safetensors`.

        Raises:
            LatentFileError: the file is broken, or its content is not latents.
        """
        _check_size(len(data))
        metadata = _checked_metadata(_safetensors_header(data).get("__metadata__") or {})
        try:
            tensors = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        except safetensors.SafetensorError as error:
            text = str(error)[:_MOST_QUOTED]
            raise LatentFileError(f"not a readable safetensors file: {text}") from None
        levels = {}
        for name, tensor in tensors:
            level = _level(name)
            shape = tuple(tensor["shape"])
            _check_array(name, tensor["dtype"], "F32", shape)
            vectors = np.frombuffer(tensor["data"], dtype=np.dtype("<f4"))
            levels[level] = vectors.reshape(shape).astype(np.float32)
        return cls(levels, metadata)

    def to_npz(self) -> bytes:
        """As a compressed numpy archive; metadata are one JSON text named ``metadata``."""
        text = np.array(json.dumps(dict(self.metadata), sort_keys=True))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, metadata=text, **self._named())
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> LatentFile:
        """Inverse of `to_npz`; sizes are checked before anything is decompressed.

        Raises:
            LatentFileError: the archive is broken or too large, or its content is not latents.
        """
        arrays = {name: _read_npy(name, content) for name, content in _unzip(data).items()}
        text = arrays.pop(_METADATA, None)
        levels = {}
        for name, vectors in arrays.items():
            level = _level(name)
            _check_array(name, str(vectors.dtype), "float32", vectors.shape)
            levels[level] = vectors
        return cls(levels, {} if text is None else _parse_metadata(text))

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
        raise LatentFileError(f"unknown key {name[:40]!r}: expected level3, level2 and level1")
    return int(match.group(1))


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise LatentFileError(f"{size:,} bytes of latents; at most {MAX_BYTES:,} are read")


def _check_array(name: str, dtype: str, expected: str, shape: tuple[int, ...]) -> None:
    if dtype != expected:
        raise LatentFileError(f"{name} has dtype {dtype}: expected float32")
    if len(shape) != 2:
        raise LatentFileError(f"{name} has shape {str(shape)[:100]}: expected (tokens, channels)")
    if 0 in shape:
        raise LatentFileError(f"{name} is empty: its shape is {shape}")


def _in_order(data: bytes) -> bytes:
    """A safetensors file with its header's names sorted: the library shuffles the metadata."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # so that the arrays are aligned
    return len(header).to_bytes(8, "little") + header + data[end:]


def _safetensors_header(data: bytes) -> dict[str, Any]:
    """The header, which the library reads from files only, and where it lets names repeat."""
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise LatentFileError(
            "not a readable safetensors file: it declares a header of "
            f"{length:,} bytes; at most {MAX_HEADER_BYTES:,} are read"
        )
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_without_repetition)
    except LatentFileError:
        raise
    except (ValueError, RecursionError):
        raise LatentFileError("not a readable safetensors file: its header is no JSON") from None
    if not isinstance(header, dict):
        raise LatentFileError("not a readable safetensors file: its header is no JSON object")
    return header


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise LatentFileError(f"{name[:40]!r} is there more than once")
        names.add(name)
    return dict(pairs)


def _parse_metadata(array: np.ndarray) -> dict[str, str]:
    if array.dtype.kind != "U" or array.shape != ():
        raise LatentFileError("metadata is not JSON: it must be one text")
    points = np.frombuffer(array.tobytes(), np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if points.max() > sys.maxunicode:  # numpy would make a string of it that breaks Python
        raise LatentFileError("metadata is not valid Unicode")
    try:
        metadata = json.loads(str(array), object_pairs_hook=_without_repetition)
    except LatentFileError:
        raise
    except (ValueError, RecursionError):
        raise LatentFileError("metadata is not JSON") from None
    return _checked_metadata(metadata)


def _checked_metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise LatentFileError("metadata must be a JSON object whose values are texts")
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
    """The arrays of an npz archive by name, none larger than it declares."""
    entries = data.count(_ZIP_ENTRY)  # before each becomes an object
    if entries > MAX_MEMBERS:
        raise LatentFileError(f"{entries:,} members in the npz archive; at most {MAX_MEMBERS}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_size(sum(member.file_size for member in members))
            found = [(_array_name(member), _inflate(archive, member)) for member in members]
            return _without_repetition(found)
    except LatentFileError:
        raise
    except _BROKEN_ARCHIVE as error:
        text = str(error)[:_MOST_QUOTED]
        raise LatentFileError(f"not a readable npz archive: {text}") from None


def _array_name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")[:200]


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes; one that holds more than it declares costs no more than it declares."""
    if member.compress_type not in _COMPRESSIONS:
        raise LatentFileError(f"{member.filename[:40]!r} is not stored or deflated, as npz has it")
    with archive.open(member) as stream:
        return stream.read(member.file_size)  # without a size, all that is there is inflated


def _read_npy(name: str, data: bytes) -> np.ndarray:
    """One array; its declared size is compared with the bytes before memory is spent on it."""
    stream = io.BytesIO(data)
    shape, dtype = _npy_header(name, stream)
    found = len(data) - stream.tell()
    declared = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or declared != found:
        raise LatentFileError(
            f"{name} declares {declared:,} bytes of {str(dtype)[:40]} values and holds {found:,}"
        )
    if found == 0:
        raise LatentFileError(f"{name} is empty: its shape is {shape} of {str(dtype)[:40]}")
    stream.seek(0)
    try:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise LatentFileError(f"{name} cannot be read: {str(error)[:200]}") from None
    return array


def _npy_header(name: str, stream: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array; leaves the stream at its first byte."""
    try:
        read_header = _NPY_HEADERS[np.lib.format.read_magic(stream)]
        shape, _, dtype = read_header(stream)
    except _BROKEN_HEADER:
        raise LatentFileError(f"{name} in the npz archive is not a numpy array") from None
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise LatentFileError(f"{name} declares a shape with impossible sizes")
    return shape, dtype
