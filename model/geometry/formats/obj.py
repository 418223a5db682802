"""Wavefront OBJ: `v` and `f` statements; everything else in the file is skipped unread."""

import re

import numpy as np
from jaxtyping import Int64

from model.geometry.errors import MeshError
from model.geometry.formats.number_rows import NumberRows, whole_numbers
from model.geometry.formats.raw_mesh import RawMesh, check_counts, fan_size, fan_triangles
from model.geometry.limits import MeshLimits

# What is no printable ASCII may stand before a statement, as a byte order mark does, and a number
# may follow it at once: to skip such a line would be to leave out a vertex or a face.
_BEGIN = rb"^[^\n!-~]*"
_END = rb"(?![!\"$-,:-~])"
_VERTEX = re.compile(_BEGIN + rb"[vV]" + _END + rb"([^\n#]*)", re.MULTILINE)
_FACE = re.compile(_BEGIN + rb"[fF]" + _END + rb"([^\n#]*)", re.MULTILINE)
_STATEMENT = re.compile(_BEGIN + rb"([vVfF])" + _END, re.MULTILINE)
# A comment or a name that ends in a backslash does not swallow the vertex or face after it.
_CONTINUED = re.compile(rb"\\\n(?![^\n!-~]*[vVfF]" + _END + rb")")
_MOST_PER_VERTEX = 7  # position, weight and color
_MOST_PER_FACE = 3  # a fan of n corners makes at least n / 3 triangles
_CHUNK_BYTES = 4 * 1024 * 1024


def read_obj(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read the triangles of an OBJ file; polygons become fans, groups and materials are ignored.

    Negative indices count back from the last vertex defined before the face, as the format says.

    Raises:
        MeshError: `malformed_mesh`, `mesh_too_large` or `invalid_mesh_index`.
    """
    text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\\\n" in text:
        text = _CONTINUED.sub(b" ", text)
    if b"/" in text:
        text = _without_attributes(text)
    vertex_lines = _VERTEX.findall(text)
    check_counts(len(vertex_lines), 0, limits)
    most = _MOST_PER_VERTEX * limits.max_vertices
    vertices = NumberRows.parse(vertex_lines, "vertex lines", most=most)
    face_lines = _FACE.findall(text)
    check_counts(0, len(face_lines), limits)
    most = _MOST_PER_FACE * limits.max_faces
    rows = NumberRows.parse(face_lines, "face lines", most=most)
    check_counts(0, fan_size(rows.sizes), limits)
    faces = fan_triangles(_zero_based(rows, text), rows.sizes, limits)
    return RawMesh(vertices.leading(3, "vertex lines"), faces)


def _without_attributes(text: bytes) -> bytes:
    """`text` with the texture and normal part of each corner ("/2/3" in "1/2/3") cut out.

    Works on bytes in numpy: a pattern would make one object for each of millions of corners.
    """
    kept: list[bytes] = []
    inside = after_digit = False
    for begin in range(0, len(text), _CHUNK_BYTES):
        characters = np.frombuffer(text, np.uint8)[begin : begin + _CHUNK_BYTES]
        place = np.arange(1, len(characters) + 1, dtype=np.int32)
        blank = (characters == ord(" ")) | ((characters >= ord("\t")) & (characters <= ord("\r")))
        digit = (characters >= ord("0")) & (characters <= ord("9"))
        # A slash that follows no index stays, and is no number: its face is not read without it.
        slash = (characters == ord("/")) & np.concatenate([[after_digit], digit[:-1]])
        # The last slash or blank before each character decides: odd marks are slashes.
        marks = np.where(slash, 2 * place + 1, np.where(blank, 2 * place, inside))
        is_attribute = np.maximum.accumulate(marks) % 2 == 1
        kept.append(characters[~is_attribute].tobytes())
        inside, after_digit = bool(is_attribute[-1]), bool(digit[-1])
    return b"".join(kept)


def _zero_based(rows: NumberRows, text: bytes) -> Int64[np.ndarray, " c"]:
    """Vertex indices counted from zero; out-of-range ones stay out of range."""
    indices = whole_numbers(rows.values, "face lines")
    if (indices == 0).any():
        raise MeshError(
            "invalid_mesh_index",
            "A face refers to vertex 0, but OBJ counts vertices from 1.",
            "Export the mesh again with a program that follows the OBJ format.",
        )
    relative = indices < 0
    if not relative.any():
        return indices - 1
    is_vertex = np.isin(_STATEMENT.findall(text), (b"v", b"V"))
    defined = np.repeat(np.cumsum(is_vertex)[~is_vertex], rows.sizes)
    return np.where(relative, defined + indices, indices - 1)
