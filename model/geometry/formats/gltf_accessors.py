"""glTF accessors: typed arrays over the buffers, every extent checked before it is read."""

from typing import Any

import DracoPy
import numpy as np

from model.geometry.errors import malformed, too_large
from model.geometry.formats.gltf_document import GltfDocument
from model.geometry.limits import MeshLimits

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}

_Array = np.ndarray[Any, np.dtype[Any]]


class GltfAccessors:
    """Reads the accessors of one document.

    Args:
        document: the opened file.
        limits: the bounds on vertices and faces, which also bound every accessor.
    """

    def __init__(self, document: GltfDocument, limits: MeshLimits) -> None:
        self._document = document
        # Every triangle mode makes at least one face of three indices.
        self._largest = max(limits.max_vertices, 3 * limits.max_faces + 2)

    def count(self, index: int) -> int:
        """How many elements accessor `index` declares.

        Raises:
            MeshError: `mesh_too_large` where no mesh within the limits can have so many.
        """
        count = self._entry("accessors", index)["count"]
        if not isinstance(count, int) or count < 0:
            raise malformed(f"Accessor {index} of the glTF file has no valid count.")
        if count > self._largest:
            raise too_large(f"elements in glTF accessor {index}", count, self._largest)
        return count

    def read(self, index: int) -> _Array:
        """Accessor `index` as (count, width), normalized integers as floats in [-1, 1].

        Raises:
            MeshError: `malformed_mesh` where it reaches past its buffer.
        """
        accessor = self._entry("accessors", index)
        dtype = np.dtype(_COMPONENTS[accessor["componentType"]])
        width = _WIDTHS[accessor["type"]]
        shape = (self.count(index), width)
        if "bufferView" in accessor:
            view, offset = accessor["bufferView"], accessor.get("byteOffset", 0)
            array = self._strided(f"Accessor {index}", view, offset, dtype, shape)
        else:
            array = np.zeros(shape, dtype)
        if "sparse" in accessor:
            array = self._with_sparse(index, accessor["sparse"], array)
        if accessor.get("normalized", False) and dtype.kind in "iu":
            return np.maximum(array / np.iinfo(dtype).max, -1.0)
        return array

    def read_draco(self, extension: dict[str, Any]) -> tuple[_Array, _Array]:
        """Positions and triangles of a Draco-compressed primitive.

        Raises:
            MeshError: `malformed_mesh` where the compressed data are damaged.
        """
        try:
            decoded = DracoPy.decode(self._view(extension["bufferView"]))
        except (DracoPy.FileTypeException, ValueError, TypeError) as error:
            raise malformed(f"The Draco data of the glTF file are damaged: {error}.") from None
        return np.asarray(decoded.points), np.asarray(decoded.faces).reshape(-1, 3)

    def _entry(self, kind: str, index: int) -> dict[str, Any]:
        entries = self._document.json.get(kind, [])
        if not isinstance(index, int) or not 0 <= index < len(entries):
            raise malformed(f"The glTF file refers to {kind}[{index!r:.20}], which is missing.")
        entry: dict[str, Any] = entries[index]
        return entry

    def _view(self, index: int) -> bytes:
        view = self._entry("bufferViews", index)
        buffer = self._buffer(view)
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > len(buffer):
            raise malformed(
                f"Buffer view {index} of the glTF file ends at byte {start + length:,}, "
                f"but its buffer has {len(buffer):,}."
            )
        return buffer[start : start + length]

    def _buffer(self, view: dict[str, Any]) -> bytes:
        self._entry("buffers", view["buffer"])
        content: bytes = self._document.buffers[view["buffer"]]
        return content

    def _strided(
        self, what: str, view_index: int, offset: int, dtype: np.dtype[Any], shape: tuple[int, int]
    ) -> _Array:
        view = self._view(view_index)
        count, width = shape
        element = width * dtype.itemsize
        stride = self._entry("bufferViews", view_index).get("byteStride", element)
        end = offset + (count - 1) * stride + element if count else 0
        if offset < 0 or stride < element or end > len(view):
            raise malformed(
                f"{what} of the glTF file needs {end:,} bytes of buffer view {view_index}, "
                f"which has {len(view):,}."
            )
        return np.ndarray(shape, dtype, view, offset, (stride, dtype.itemsize))

    def _with_sparse(self, index: int, sparse: dict[str, Any], array: _Array) -> _Array:
        count, width = int(sparse["count"]), array.shape[1]
        if not 0 <= count <= len(array):
            raise malformed(f"Accessor {index} of the glTF file has more sparse values than rows.")
        where, values = sparse["indices"], sparse["values"]
        what = f"The sparse part of accessor {index}"
        index_type = np.dtype(_COMPONENTS[where["componentType"]])
        rows = self._strided(
            what, where["bufferView"], where.get("byteOffset", 0), index_type, (count, 1)
        )
        if count and int(rows.max()) >= len(array):
            raise malformed(f"{what} of the glTF file refers to a row that is missing.")
        replaced = array.copy()
        replaced[rows[:, 0]] = self._strided(
            what, values["bufferView"], values.get("byteOffset", 0), array.dtype, (count, width)
        )
        return replaced
