"""The header of a PLY file: which tables follow, and how their rows are laid out."""

import re
from dataclasses import dataclass

from model.geometry.errors import malformed

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_BYTE_ORDERS = {"ascii": None, "binary_little_endian": "<", "binary_big_endian": ">"}
_END = re.compile(rb"^[ \t]*end_header[ \t]*(?:\r\n|\n|\r)", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|\n|\r")
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class PlyProperty:
    """One column of a table.

    Attributes:
        name: as in the file.
        type: numpy type code of the values, without byte order ("f4").
        length_type: numpy type code of the length in front of each list; None for a scalar.
    """

    name: str
    type: str
    length_type: str | None


@dataclass(frozen=True, slots=True)
class PlyElement:
    """One table: `count` rows of `properties`."""

    name: str
    count: int
    properties: tuple[PlyProperty, ...]


@dataclass(frozen=True, slots=True)
class PlyHeader:
    """Everything before the data.

    Attributes:
        byte_order: "<" or ">" of binary data, None for text.
        elements: the tables in file order.
        size: bytes of the header; the data begin there.
    """

    byte_order: str | None
    elements: tuple[PlyElement, ...]
    size: int


def read_ply_header(data: bytes) -> PlyHeader:
    """Parse the header.

    Raises:
        MeshError: `malformed_mesh`, quoting the line at fault.
    """
    end = _END.search(data, 0, _MAX_BYTES)
    if end is None:
        raise malformed("The PLY header has no end_header line.")
    lines = _LINE_END.split(data[: end.start()].decode("latin-1"))
    byte_order: str | None = None
    formats = 0
    elements: list[PlyElement] = []
    for line in lines[1:]:
        match line.split():
            case [] | ["comment" | "obj_info", *_]:
                continue
            case ["format", name, _] if name in _BYTE_ORDERS:
                byte_order = _BYTE_ORDERS[name]
                formats += 1
            case ["element", name, count] if count.isdecimal() and len(count) < 20:
                elements.append(PlyElement(name, int(count), ()))
            case ["property", *words] if elements and (column := _property(words)) is not None:
                last = elements[-1]
                if any(column.name == other.name for other in last.properties):
                    raise malformed(f"The PLY header has two properties {column.name!r:.80}.")
                elements[-1] = PlyElement(last.name, last.count, (*last.properties, column))
            case _:
                raise malformed(f"The PLY header has a line that is not understood: {line!r:.80}.")
    if formats != 1:
        raise malformed(f"The PLY header has {formats} format lines; exactly one is needed.")
    return PlyHeader(byte_order, tuple(elements), end.end())


def _property(words: list[str]) -> PlyProperty | None:
    match words:
        case ["list", length_type, type_, name] if length_type in _TYPES and type_ in _TYPES:
            return PlyProperty(name, _TYPES[type_], _TYPES[length_type])
        case [type_, name] if type_ in _TYPES:
            return PlyProperty(name, _TYPES[type_], None)
        case _:
            return None
