"""NumPy `.npy`: a point cloud as one N x 3 array, never pickled objects."""

import io
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy_format

from model.geometry.errors import MeshError, malformed, too_large
from model.geometry.formats.raw_mesh import RawMesh
from model.geometry.limits import MeshLimits

NPY_MAGIC = b"\x93NUMPY"


def read_npy(data: bytes, limits: MeshLimits) -> RawMesh:
    """Read an N x 3 array of real numbers; the header is checked before memory is spent on it.

    Raises:
        MeshError: `malformed_mesh`, or `mesh_too_large`.
    """
    stream = io.BytesIO(data)
    shape, fortran_order, dtype = _read_header(stream)
    if len(shape) != 2 or shape[0] < 0 or shape[1] != 3 or dtype.kind not in "fiu":
        raise MeshError(
            "malformed_mesh",
            f"The array has shape {shape} and type {dtype}, not N x 3 real numbers.",
            "Save the points as a float32 array with one row (x, y, z) for each point.",
        )
    count = shape[0]
    if count > limits.max_cloud_points:
        raise too_large("points", count, limits.max_cloud_points)
    found = len(data) - stream.tell()
    expected = count * 3 * dtype.itemsize
    if found < expected:
        raise malformed(
            f"The array of {count:,} points takes {expected:,} bytes, but {found:,} follow."
        )
    flat = np.frombuffer(data, dtype=dtype, count=3 * count, offset=stream.tell())
    points = flat.reshape(shape, order="F" if fortran_order else "C").astype(np.float64)
    return RawMesh(np.ascontiguousarray(points), np.empty((0, 3), dtype=np.int64))


def _read_header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    major, minor = stream.getvalue()[len(NPY_MAGIC) :][:2].ljust(2, b"\0")
    if (major, minor) not in ((1, 0), (2, 0), (3, 0)):
        raise malformed(f"The npy file has version {major}.{minor}; 1.0 to 3.0 are read.")
    try:
        npy_format.read_magic(stream)
        if major == 1:
            return npy_format.read_array_header_1_0(stream)
        return npy_format.read_array_header_2_0(stream)
    except (ValueError, SyntaxError, TokenError, TypeError, LookupError, RecursionError):
        begin = len(NPY_MAGIC) + (4 if major == 1 else 6)
        text = stream.getvalue()[begin : begin + 80].partition(b"\n")[0].decode("latin-1")
        raise malformed(
            f"The header of the npy file is cut off or describes no array: {text!r}."
        ) from None
