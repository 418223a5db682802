"""glTF accessors: typed arrays over the buffers, every extent checked before it is read."""

from typing import Any

import DracoPy
import numpy as np

from model.geometry.errors import malformed
from model.geometry.formats.gltf_document import GltfDocument
from model.geometry.formats.gltf_values import entry, quoted, section, text, whole

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_VECTOR, _SCALAR = "VEC3", "SCALAR"

_Array = np.ndarray[Any, np.dtype[Any]]


class GltfAccessors:
    """Reads the accessors of one document.

    Args:
        document: the opened file.
    """

    def __init__(self, document: GltfDocument) -> None:
        self._document = document

    def count(self, index: int) -> int:
        """How many elements accessor `index` declares."""
        return whole(self._entry("accessors", index), "count", _accessor(index))

    def positions(self, index: int) -> _Array:
        """Accessor `index` as (count, 3), normalized integers as floats in [-1, 1].

        Memory goes with its `count`, which the caller has checked.

        Raises:
            MeshError: `malformed_mesh` where it is no vector or reaches past its buffer.
        """
        array = self._read(index, _VECTOR)
        accessor = self._entry("accessors", index)
        if accessor.get("normalized", False) and array.dtype.kind in "iu":
            return np.maximum(array / np.iinfo(array.dtype).max, -1.0)
        return array

    def indices(self, index: int) -> _Array:
        """Accessor `index` as (count,) vertex indices; else as `positions`."""
        array = self._read(index, _SCALAR)[:, 0]
        if array.dtype.kind != "u":
            raise malformed(f"{_accessor(index)} holds indices, but not as unsigned integers.")
        return array

    def _read(self, index: int, kind: str) -> _Array:
        accessor, what = self._entry("accessors", index), _accessor(index)
        found = text(accessor, "type", what)
        if found != kind:
            raise malformed(f"{what} has the type {quoted(found)}, where {kind} is needed.")
        dtype = _component(accessor, what)
        shape = (self.count(index), 3 if kind == _VECTOR else 1)
        if "bufferView" in accessor:
            array = self._strided(what, accessor, dtype, shape)
        else:
            array = np.zeros(shape, dtype)
        if "sparse" in accessor:
            array = self._with_sparse(what, section(accessor, "sparse", what), array)
        return array

    def read_draco(self, extension: dict[str, Any]) -> tuple[_Array, _Array]:
        """Positions and triangles of a Draco-compressed primitive.

        Raises:
            MeshError: `malformed_mesh` where the compressed data are damaged.
        """
        view = self._view(whole(extension, "bufferView", "A Draco mesh of the glTF file"))
        try:
            decoded = DracoPy.decode(view)
        except (DracoPy.FileTypeException, ValueError, TypeError):
            raise malformed("The Draco data of the glTF file are damaged.") from None
        points, faces = np.asarray(decoded.points), np.asarray(getattr(decoded, "faces", ()))
        if points.ndim != 2 or points.shape[1] != 3 or faces.size == 0:
            raise malformed("The Draco data of the glTF file are not a mesh of triangles.")
        return points, faces.reshape(-1, 3)

    def _entry(self, kind: str, index: int) -> dict[str, Any]:
        return entry(self._document.json, kind, index)

    def _view(self, index: int) -> bytes:
        view, where = self._entry("bufferViews", index), f"Buffer view {index} of the glTF file"
        number = whole(view, "buffer", where)
        self._entry("buffers", number)
        content = self._document.buffers[number]
        start, length = whole(view, "byteOffset", where, 0), whole(view, "byteLength", where)
        if start + length > len(content):
            raise malformed(
                f"{where} ends at byte {start + length:,}, but its buffer has {len(content):,}."
            )
        return content[start : start + length]

    def _strided(
        self, what: str, source: dict[str, Any], dtype: np.dtype[Any], shape: tuple[int, int]
    ) -> _Array:
        """The elements at `source`, which names a buffer view and an offset in it."""
        number, offset = whole(source, "bufferView", what), whole(source, "byteOffset", what, 0)
        view = self._view(number)
        count, width = shape
        element = width * dtype.itemsize
        where = f"Buffer view {number} of the glTF file"
        stride = whole(self._entry("bufferViews", number), "byteStride", where, element)
        if stride < element:
            raise malformed(
                f"{where} has a byteStride of {stride}; {element} bytes are an element."
            )
        end = offset + (count - 1) * stride + element if count else 0
        if end > len(view):
            raise malformed(
                f"{what} needs {end:,} bytes of buffer view {number}, which has {len(view):,}."
            )
        if count == 0:
            return np.zeros(shape, dtype)
        return np.ndarray(shape, dtype, view, offset, (stride, dtype.itemsize))

    def _with_sparse(self, what: str, sparse: dict[str, Any], array: _Array) -> _Array:
        part = f"The sparse part of {what[0].lower()}{what[1:]}"
        count, width = whole(sparse, "count", part), array.shape[1]
        if count > len(array):
            raise malformed(f"{part} has {count:,} values for {len(array):,} rows.")
        where, values = section(sparse, "indices", part), section(sparse, "values", part)
        index_type = _component(where, part)
        if index_type.kind != "u":
            raise malformed(f"{part} has indices that are not unsigned integers.")
        rows = self._strided(part, where, index_type, (count, 1))
        if count and int(rows.max()) >= len(array):
            raise malformed(f"{part} refers to a row that is missing.")
        replaced = array.copy()
        replaced[rows[:, 0]] = self._strided(part, values, array.dtype, (count, width))
        return replaced


def _accessor(index: int) -> str:
    """Accessor `index` as errors name it."""
    return f"Accessor {index} of the glTF file"


def _component(holder: dict[str, Any], where: str) -> np.dtype[Any]:
    number = whole(holder, "componentType", where)
    if number not in _COMPONENTS:
        known = ", ".join(map(str, _COMPONENTS))
        raise malformed(f"{where} has the componentType {number}, which is none of {known}.")
    return np.dtype(_COMPONENTS[number])
