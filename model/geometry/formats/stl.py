"""STL, binary and text: three vertices for each triangle, shared by none."""

import re

import numpy as np

from model.geometry.errors import malformed
from model.geometry.formats.number_rows import NumberRows
from model.geometry.formats.raw_mesh import RawMesh, check_counts
from model.geometry.formats.text_encoding import without_mark
from model.geometry.limits import MeshLimits

_HEADER_BYTES = 84  # 80 bytes of free text, then the triangle count
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_TEXT_HEADER = re.compile(rb"[ -~\t\r\n]*\0*[ \0]*")
_MOST_TRIANGLES = 50_000_000
_PROBED_TRIANGLES = 16
_VERTEX_LINE = re.compile(rb"^[^\S\n]*vertex[^\S\n]+([^\n]*)", re.MULTILINE | re.IGNORECASE)
_LOOP = re.compile(rb"\bloop(?:\s+vertex[^\S\n][^\n]*){3}\s+endloop\b", re.IGNORECASE)
_FACET_END = re.compile(rb"\bendfacet\b", re.IGNORECASE)
_SOLID_END = re.compile(rb"\bendsolid\b", re.IGNORECASE)


def is_binary_stl(data: bytes) -> bool:
    """Whether the triangle count in the header explains the length of `data` exactly."""
    if len(data) < _HEADER_BYTES:
        return False
    return len(data) == _HEADER_BYTES + declared_triangles(data) * _TRIANGLE.itemsize


def is_damaged_stl(data: bytes) -> bool:
    """Whether `data`, which hold NUL bytes, are a binary STL that is cut off or has bytes after it.

    The count must be one that a file could have, and the first triangles must have coordinates of
    a size that meshes have; without one whole triangle the header must be text. Of random bytes
    less than one file in a thousand is taken for an STL.
    """
    if len(data) < _HEADER_BYTES:
        return False
    count = declared_triangles(data)
    declared = _HEADER_BYTES + count * _TRIANGLE.itemsize
    if len(data) < declared < 2 * len(data):
        return True  # by chance in no other file, whatever the triangles hold
    if not 0 < count <= _MOST_TRIANGLES or len(data) > 2 * declared:
        return False
    whole = min((len(data) - _HEADER_BYTES) // _TRIANGLE.itemsize, count, _PROBED_TRIANGLES)
    if whole == 0:
        return _TEXT_HEADER.fullmatch(data, 0, _HEADER_BYTES - 4) is not None
    corners = np.abs(np.frombuffer(data, _TRIANGLE, whole, _HEADER_BYTES)["corners"])
    return bool(((corners == 0) | (corners > 1e-20) & (corners < 1e20)).all())


def declared_triangles(data: bytes) -> int:
    """The triangle count in the header of a binary STL."""
    return int.from_bytes(data[_HEADER_BYTES - 4 : _HEADER_BYTES], "little")


def read_stl(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read an STL file of either kind.

    Raises:
        MeshError: `malformed_mesh` or `mesh_too_large`.
    """
    text = without_mark(data[:1024]).lstrip()
    if not is_binary_stl(data) and text[:5].lower() == b"solid" and b"\0" not in data:
        return _read_text(data, limits)
    return _read_binary(data, limits)


def _read_binary(data: bytes, limits: MeshLimits) -> RawMesh:
    if len(data) < _HEADER_BYTES:
        raise malformed(
            f"A binary STL has a header of {_HEADER_BYTES} bytes, but the file has {len(data)}."
        )
    count = declared_triangles(data)
    expected = _HEADER_BYTES + count * _TRIANGLE.itemsize
    # A few bytes of padding are common; room for another triangle means that the count lies.
    if not expected <= len(data) < expected + _TRIANGLE.itemsize:
        raise malformed(
            f"The STL header declares {count:,} triangles, which take {expected:,} bytes, "
            f"but the file has {len(data):,}."
        )
    check_counts(3 * count, count, limits)
    triangles = np.frombuffer(data, dtype=_TRIANGLE, count=count, offset=_HEADER_BYTES)
    return _soup(triangles["corners"].reshape(-1, 3).astype(np.float64))


def _read_text(data: bytes, limits: MeshLimits) -> RawMesh:
    text = data.replace(b"\r", b"\n")
    lines = _VERTEX_LINE.findall(text)
    check_counts(len(lines), len(lines) // 3, limits)
    facets = len(_FACET_END.findall(text))
    if not _SOLID_END.search(text) or len(lines) != 3 * facets:
        raise malformed(
            f"The text STL is cut off or damaged: {facets:,} facets are closed, which need "
            f"{3 * facets:,} vertex lines, and {len(lines):,} were found."
        )
    if sum(1 for _ in _LOOP.finditer(text)) != facets:
        raise malformed("A facet of the text STL is not a loop of three vertex lines.")
    rows = NumberRows.parse(lines, "vertex lines", most=len(text))
    if (rows.sizes != 3).any():
        raise malformed("A vertex line of the text STL does not hold three numbers.")
    return _soup(rows.values.reshape(-1, 3))


def _soup(vertices: np.ndarray) -> RawMesh:
    return RawMesh(vertices, np.arange(len(vertices)).reshape(-1, 3))
