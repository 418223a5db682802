import numpy as np
import pytest

from model.geometry.errors import MeshError
from model.geometry.formats.off import read_off
from model.geometry.limits import DEFAULT_LIMITS
from tests import shapes

_QUAD = b"OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n"


def test_a_mesh_is_read_exactly():
    torus = shapes.torus().mesh
    raw = read_off(shapes.off_bytes(torus), DEFAULT_LIMITS)
    assert np.array_equal(raw.vertices, torus.vertices)
    assert np.array_equal(raw.faces, torus.faces)


@pytest.mark.parametrize(
    "data",
    [
        _QUAD,
        _QUAD.replace(b"OFF\n", b"OFF "),
        _QUAD.replace(b"\n", b"\r\n"),
        _QUAD.replace(b"4 1 0", b"# counts\n\n4 1"),
        _QUAD.replace(b"OFF", b"COFF").replace(b" 0\n", b" 0 255 0 0 255\n"),
        _QUAD.replace(b"4 0 1 2 3", b"4 0 1 2 3 0.5 0.5 0.5  # gray"),
        _QUAD + b"a line that nobody declared\n",
    ],
)
def test_variants(data: bytes):
    raw = read_off(data, DEFAULT_LIMITS)
    assert raw.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert raw.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (_QUAD[:-11], "declares 4 vertices and 1 faces"),
        (_QUAD.replace(b"4 1 0", b"4 999999999 0"), "declares 4 vertices and 999,999,999 faces"),
        (_QUAD.replace(b"4 1 0", b"-4 1 0"), "does not declare"),
        (_QUAD.replace(b"4 1 0", b"nan 1 0"), "does not declare"),
        (_QUAD.replace(b"4 0 1 2 3", b"4 0 1 2 3.5"), "whole number"),
        (_QUAD.replace(b"4 0 1 2 3", b"9 0 1 2 3"), "fewer indices"),
        (_QUAD.replace(b"4 0 1 2 3", b"-1 0 1 2 3"), "fewer indices"),
        (_QUAD.replace(b"4 0 1 2 3", b"4 0 1 2 x"), "not a number"),
        (_QUAD.replace(b"1 1 0", b"1 1"), "has 2 numbers"),
        (b"OFF\n", "ends after its header"),
        (b"OFF BINARY\n\0\0", "text OFF header"),
    ],
)
def test_contradictions_are_malformed(data: bytes, cause: str):
    with pytest.raises(MeshError, match=cause) as caught:
        read_off(data, DEFAULT_LIMITS)
    assert caught.value.code == "malformed_mesh"


def test_a_byte_order_mark_and_counts_next_to_the_header_are_read():
    raw = read_off(b"\xef\xbb\xbf" + _QUAD.replace(b"OFF\n", b"OFF"), DEFAULT_LIMITS)
    assert raw.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert len(raw.vertices) == 4
