"""Object File Format (OFF), text: vertices, then polygons, one a line."""

import re

import numpy as np

from model.geometry.errors import malformed
from model.geometry.formats.number_rows import NumberRows, whole_numbers
from model.geometry.formats.raw_mesh import RawMesh, check_counts, fan_triangles
from model.geometry.formats.text_encoding import without_mark
from model.geometry.limits import MeshLimits

# Optional texture coordinates, colors and normals follow the position on each vertex line.
OFF_HEADER = re.compile(rb"(?:ST)?C?N?OFF(?![A-Za-z_]|[ \t]*BINARY)")
_MOST_PER_VERTEX = 12  # position, normal, color, texture coordinates
_MOST_PER_FACE = 8  # corner count, at most 3 corners for each triangle, color
_COMMENT = re.compile(rb"#[^\n]*")


def read_off(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read an OFF file; polygons become fans, colors and normals are ignored.

    Raises:
        MeshError: `malformed_mesh` or `mesh_too_large`.
    """
    text = _COMMENT.sub(
        b"", without_mark(data).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    ).strip()
    header = OFF_HEADER.match(text)
    if header is None:
        raise malformed("The OFF file does not begin with a text OFF header.")
    lines = [line for line in text[header.end() :].split(b"\n") if line.strip()]
    if not lines:
        raise malformed("The OFF file ends after its header.")
    counts = lines[0].split(maxsplit=2)[:2]
    if len(counts) < 2 or not all(count.isdigit() and len(count) < 20 for count in counts):
        raise malformed("The OFF file does not declare how many vertices and faces it has.")
    vertex_count, face_count = (int(count) for count in counts)
    if len(lines) - 1 < vertex_count + face_count:
        raise malformed(
            f"The OFF file declares {vertex_count:,} vertices and {face_count:,} faces, "
            f"but only {len(lines) - 1:,} lines follow."
        )
    check_counts(vertex_count, face_count, limits)
    vertex_lines, face_lines = lines[1 : 1 + vertex_count], lines[1 + vertex_count :][:face_count]
    most = _MOST_PER_VERTEX * limits.max_vertices
    vertices = NumberRows.parse(vertex_lines, "vertex lines", most=most)
    most = _MOST_PER_FACE * limits.max_faces
    faces = NumberRows.parse(face_lines, "face lines", most=most)
    sizes = whole_numbers(faces.leading(1, "face lines")[:, 0], "corner counts")
    if (sizes < 0).any() or (sizes >= faces.sizes).any():
        raise malformed("A face line of the OFF file has fewer indices than it declares.")
    place = np.arange(len(faces.values)) - np.repeat(faces.starts, faces.sizes)
    is_corner = (place > 0) & (place <= np.repeat(sizes, faces.sizes))
    corners = whole_numbers(faces.values[is_corner], "face lines")
    return RawMesh(vertices.leading(3, "vertex lines"), fan_triangles(corners, sizes, limits))
