import numpy as np
import pytest

from model.geometry.errors import MeshError
from model.geometry.formats.npy import read_npy
from model.geometry.limits import DEFAULT_LIMITS
from tests import shapes

_POINTS = np.arange(30.0).reshape(10, 3)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<f2", "<i4", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_real_numbers_of_any_type_and_order(dtype: str, order: str):
    raw = read_npy(shapes.npy_bytes(np.asarray(_POINTS, dtype, order)), DEFAULT_LIMITS)
    assert np.array_equal(raw.vertices, _POINTS)
    assert raw.faces.shape == (0, 3)


@pytest.mark.parametrize(
    "array",
    [_POINTS.T, _POINTS[:, :2], _POINTS[0], _POINTS[None], _POINTS > 0, _POINTS + 1j,
     np.array(["a"]), np.float64(3)],
)  # fmt: skip
def test_other_arrays_are_refused(array: np.ndarray):
    with pytest.raises(MeshError, match="N x 3"):
        read_npy(shapes.npy_bytes(array), DEFAULT_LIMITS)


def test_pickled_objects_are_refused_unopened():
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("unpickled",))

    with pytest.raises(MeshError, match="object"):
        read_npy(shapes.npy_bytes(np.array([[Trap()] * 3] * 600, dtype=object)), DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (shapes.npy_bytes(_POINTS)[:-1], "malformed_mesh"),
        (shapes.npy_bytes(_POINTS)[:20], "malformed_mesh"),
        (b"\x93NUMPY\x09\x00rubbish", "malformed_mesh"),
        (shapes.npy_bytes(_POINTS).replace(b"(10, 3)", b"(10**9,3)"), "malformed_mesh"),
        (shapes.npy_bytes(_POINTS).replace(b"(10, 3), } ", b"(9000000,3)}"), "mesh_too_large"),
        (shapes.npy_bytes(_POINTS).replace(b"(10, 3)", b"(-1, 3)"), "malformed_mesh"),
    ],
)
def test_hostile_headers(data: bytes, code: str):
    with pytest.raises(MeshError) as caught:
        read_npy(data, DEFAULT_LIMITS)
    assert caught.value.code == code
