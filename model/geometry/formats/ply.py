"""Polygon File Format (PLY), text and binary: vertices, and faces where there are any."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from model.geometry.errors import MeshError, malformed
from model.geometry.formats.number_rows import parse_numbers, whole_numbers
from model.geometry.formats.ply_header import PlyElement, PlyProperty, read_ply_header
from model.geometry.formats.ply_tables import Column, PlyTables
from model.geometry.formats.raw_mesh import RawMesh, check_counts, fan_triangles
from model.geometry.limits import MeshLimits

_FACE_LISTS = ("vertex_indices", "vertex_index")


def read_ply(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read a PLY file; polygons become fans, and colors, normals and other tables are ignored.

    Raises:
        MeshError: `malformed_mesh` or `mesh_too_large`.
    """
    header = read_ply_header(data)
    elements = header.elements
    if header.byte_order is None:
        # Text becomes a stream in which every value is a float64: one table reader for both.
        numbers = parse_numbers(data[header.size :], "PLY data")
        tables = PlyTables(numbers.data.cast("B"), "=", "numbers", numbers.itemsize)
        elements = tuple(_widened(element) for element in elements)
    else:
        tables = PlyTables(memoryview(data)[header.size :], header.byte_order, "bytes", 1)
    vertices = np.empty((0, 3))
    faces = np.empty((0, 3), dtype=np.int64)
    for element in elements:
        if element.name == "tristrips" and element.count > 0:
            raise MeshError(
                "malformed_mesh",
                "The PLY file has its surface as triangle strips, which are not read.",
                "Export it with a list of faces.",
            )
        if element.name == "vertex":
            check_counts(element.count, 0, limits)
            vertices = _vertices(tables.read(element))
        elif element.name == "face":
            check_counts(0, element.count, limits)
            faces = _faces(tables.read(element), limits)
        else:
            tables.read(element)
    if header.byte_order is None and tables.left:
        raise malformed(f"The PLY file has {tables.left:,} numbers more than its header declares.")
    return RawMesh(vertices, faces)


def _widened(element: PlyElement) -> PlyElement:
    """The same table with float64 values and lengths, as text is parsed."""
    columns = (
        PlyProperty(column.name, "f8", None if column.length_type is None else "f8")
        for column in element.properties
    )
    return replace(element, properties=tuple(columns))


def _vertices(columns: dict[str, Column]) -> Float64[np.ndarray, "v 3"]:
    axes = [columns.get(axis) for axis in "xyz"]
    if any(axis is None or axis.sizes is not None for axis in axes):
        raise malformed("The PLY vertices lack one of the scalar properties x, y, z.")
    return np.stack([axis.values for axis in axes if axis is not None], axis=1, dtype=np.float64)


def _faces(columns: dict[str, Column], limits: MeshLimits) -> Int64[np.ndarray, "f 3"]:
    column = next((columns[name] for name in _FACE_LISTS if name in columns), None)
    if column is None or column.sizes is None:
        raise malformed(f"The PLY faces lack a list property named {' or '.join(_FACE_LISTS)}.")
    indices = whole_numbers(column.values, "PLY face indices")
    return fan_triangles(indices, column.sizes, limits)
