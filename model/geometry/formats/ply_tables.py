"""The tables of a PLY file out of one binary stream."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from model.geometry.errors import MeshError, malformed
from model.geometry.formats.ply_header import PlyElement, PlyProperty

_STRUCT_CODES = {
    "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One property over all rows of a table.

    Attributes:
        values: the numbers of all rows, one after the other, in the file's type.
        sizes: how many of them each row has; None where each row has exactly one.
    """

    values: np.ndarray[Any, np.dtype[Any]]
    sizes: Int64[np.ndarray, " r"] | None


class PlyTables:
    """Reads the tables in file order.

    Args:
        data: the bytes after the header.
        byte_order: numpy and struct byte order of every value.
        unit: what sizes are counted in when an error tells them ("bytes").
        unit_bytes: how many bytes one such unit has.
    """

    def __init__(self, data: memoryview, byte_order: str, unit: str, unit_bytes: int) -> None:
        self._data = data
        self._byte_order = byte_order
        self._unit = unit
        self._unit_bytes = unit_bytes

    def read(self, element: PlyElement) -> dict[str, Column]:
        """The columns of the next table.

        Raises:
            MeshError: `malformed_mesh` where the file is too short for the rows it declares.
        """
        if not element.properties:
            return {}
        shortest = self._row_type(element, [0] * len(element.properties)).itemsize
        if element.count * shortest > len(self._data):
            raise self._too_short(element, element.count * shortest)
        lengths = self._first_lengths(element)
        return self._read_regular(element, lengths) or self._read_ragged(element)

    @property
    def left(self) -> int:
        """How many units no table has taken."""
        return len(self._data) // self._unit_bytes

    def _too_short(self, element: PlyElement, size: int) -> MeshError:
        return malformed(
            f"The PLY header declares {element.count:,} {element.name} rows, which take at "
            f"least {size // self._unit_bytes:,} {self._unit}, "
            f"but {len(self._data) // self._unit_bytes:,} follow."
        )

    def _row_type(self, element: PlyElement, lengths: Sequence[int]) -> np.dtype[Any]:
        """A row whose lists have `lengths`; the length of property i is the field `length i`."""
        fields: list[Any] = []
        for i, (column, length) in enumerate(zip(element.properties, lengths, strict=True)):
            if column.length_type is None:
                fields.append((column.name, self._byte_order + column.type))
            else:
                fields.append((f"length {i}", self._byte_order + column.length_type))
                fields.append((column.name, self._byte_order + column.type, (length,)))
        return np.dtype(fields)

    def _first_lengths(self, element: PlyElement) -> list[int]:
        """The list lengths of the first row; 0 for scalars and in a table without rows."""
        if element.count == 0:
            return [0] * len(element.properties)
        starts, ends = self._spans(element, rows=1)
        return [
            0 if column.length_type is None else (end - start) // _itemsize(column)
            for column, start, end in zip(element.properties, starts, ends, strict=True)
        ]

    def _read_regular(self, element: PlyElement, lengths: list[int]) -> dict[str, Column] | None:
        """The table in one step if all rows have these list lengths, else None."""
        row = self._row_type(element, lengths)
        size = element.count * row.itemsize
        if size > len(self._data):
            return None
        table = np.frombuffer(self._data, dtype=row, count=element.count)
        columns: dict[str, Column] = {}
        for i, (column, length) in enumerate(zip(element.properties, lengths, strict=True)):
            sizes = None
            if column.length_type is not None:
                if (table[f"length {i}"] != length).any():
                    return None
                sizes = np.full(element.count, length)
            columns[column.name] = Column(table[column.name].reshape(-1), sizes)
        self._data = self._data[size:]
        return columns

    def _read_ragged(self, element: PlyElement) -> dict[str, Column]:
        """The table row by row, for lists of differing lengths."""
        flat_starts, flat_ends = self._spans(element, rows=element.count)
        starts = np.array(flat_starts).reshape(element.count, -1)
        ends = np.array(flat_ends).reshape(element.count, -1)
        stream = np.frombuffer(self._data, dtype=np.uint8)
        columns: dict[str, Column] = {}
        for i, column in enumerate(element.properties):
            edges = np.zeros(len(stream) + 1, dtype=np.int8)
            edges[starts[:, i]] += 1
            edges[ends[:, i]] -= 1
            inside = np.cumsum(edges[:-1], dtype=np.int8).view(bool)
            values = stream[inside].view(self._byte_order + column.type)
            sizes = (ends[:, i] - starts[:, i]) // _itemsize(column)
            columns[column.name] = Column(values, None if column.length_type is None else sizes)
        self._data = self._data[flat_ends[-1] :]
        return columns

    def _spans(self, element: PlyElement, *, rows: int) -> tuple[list[int], list[int]]:
        """Byte ranges of all property values of the first `rows` rows, in file order."""
        layout = [
            (
                _itemsize(column),
                None
                if column.length_type is None
                else struct.Struct(self._byte_order + _STRUCT_CODES[column.length_type]),
            )
            for column in element.properties
        ]
        starts: list[int] = []
        ends: list[int] = []
        offset, available = 0, len(self._data)
        for _ in range(rows):
            for itemsize, length_type in layout:
                length = 1
                if length_type is not None:
                    if offset + length_type.size > available:
                        raise self._too_short(element, offset + length_type.size)
                    (found,) = length_type.unpack_from(self._data, offset)
                    if not found == found // 1:  # of a list in text, or with lengths as floats
                        raise malformed(
                            f"A list of the PLY {element.name} rows has the length {found:g}."
                        )
                    length = int(found)
                    offset += length_type.size
                if length < 0:
                    raise malformed(f"A list of the PLY {element.name} rows has negative length.")
                starts.append(offset)
                offset += length * itemsize
                ends.append(offset)
            if offset > available:
                raise self._too_short(element, offset)
        return starts, ends


def _itemsize(column: PlyProperty) -> int:
    return np.dtype(column.type).itemsize
