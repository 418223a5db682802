import time

import numpy as np
import pytest

from model.geometry.errors import MeshError
from model.geometry.formats.ply import read_ply
from model.geometry.limits import DEFAULT_LIMITS
from tests import shapes

_TORUS = shapes.torus().mesh
_LISTS = "element face {}\nproperty list uchar int vertex_indices\n"


def _header(format_name: str, vertices: int, *more: str) -> bytes:
    lines = f"ply\nformat {format_name} 1.0\ncomment made for a test\nelement vertex {vertices}\n"
    lines += "".join(f"property float {axis}\n" for axis in "xyz")
    return (lines + "".join(more) + "end_header\n").encode()


def _error(data: bytes) -> MeshError:
    with pytest.raises(MeshError) as caught:
        read_ply(data, DEFAULT_LIMITS)
    return caught.value


@pytest.mark.parametrize(
    "data",
    [
        shapes.ply_bytes(_TORUS, "<"),
        shapes.ply_bytes(_TORUS, ">"),
        shapes.ascii_ply_bytes(_TORUS),
        shapes.ascii_ply_bytes(_TORUS).replace(b"\n", b"\r\n"),
    ],
)
def test_text_and_both_byte_orders_agree(data: bytes):
    raw = read_ply(data, DEFAULT_LIMITS)
    assert np.allclose(raw.vertices, _TORUS.vertices, atol=1e-6)
    assert np.array_equal(raw.faces, _TORUS.faces)


def _ragged(binary: bool) -> bytes:
    """Two triangles around a quad, with a color between and a table before the vertices."""
    camera = "element camera 1\nproperty short id\nproperty list uchar float view\n"
    header = _header("binary_little_endian" if binary else "ascii", 5, _LISTS.format(3))
    header = header.replace(b"element vertex", camera.encode() + b"element vertex")
    header = header.replace(b"end_header", b"property uchar red\nend_header")
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], "<f4")
    rows = [([0, 1, 4], 9), ([0, 1, 2, 3], 8), ([2, 3, 4], 7)]
    if not binary:
        text = "4 2 0.5 0.25\n" + "".join("{} {} {}\n".format(*p) for p in points.tolist())
        text += "".join(f"{len(f)} {' '.join(map(str, f))} {red}\n" for f, red in rows)
        return header + text.encode()
    body = np.int16(4).tobytes() + b"\x02" + np.array([0.5, 0.25], "<f4").tobytes()
    body += points.tobytes()
    for face, red in rows:
        body += bytes([len(face)]) + np.array(face, "<i4").tobytes() + bytes([red])
    return header + body


@pytest.mark.parametrize("binary", [True, False])
def test_polygons_of_different_sizes_and_foreign_tables(binary: bool):
    raw = read_ply(_ragged(binary), DEFAULT_LIMITS)
    assert raw.vertices.shape == (5, 3)
    assert raw.vertices[4].tolist() == [0, 0, 1]
    assert raw.faces.tolist() == [[0, 1, 4], [0, 1, 2], [0, 2, 3], [2, 3, 4]]


def test_vertices_alone_are_a_cloud():
    raw = read_ply(_header("ascii", 2) + b"0 0 0\n1 2 3\n", DEFAULT_LIMITS)
    assert raw.vertices.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert raw.faces.shape == (0, 3)


def test_no_faces_and_no_vertices_are_read_as_such():
    raw = read_ply(_header("ascii", 0, _LISTS.format(0)), DEFAULT_LIMITS)
    assert raw.vertices.shape == raw.faces.shape == (0, 3)


@pytest.mark.parametrize("data", [shapes.ply_bytes(_TORUS), shapes.ascii_ply_bytes(_TORUS)])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_cut_off_file_names_expected_and_found(data: bytes, share: float):
    error = _error(data[: int(len(data) * share)])
    assert error.code == "malformed_mesh"
    assert "follow" in error.detail


@pytest.mark.parametrize("element", ["vertex", "face", "extra"])
@pytest.mark.parametrize("format_name", ["ascii", "binary_little_endian"])
def test_a_count_bomb_is_refused_before_memory_is_spent(element: str, format_name: str):
    counts = {"vertex": 0, "face": 0, "extra": 0} | {element: 2 * 10**18}
    extra = f"element extra {counts['extra']}\nproperty list uchar int values\n"
    faces = _LISTS.format(counts["face"])
    error = _error(_header(format_name, counts["vertex"], faces, extra) + b"0 0 0\n")
    assert error.code in {"malformed_mesh", "mesh_too_large"}
    assert "2,000,000,000,000,000,000" in error.detail


def test_a_list_that_claims_to_be_endless_is_refused():
    header = _header("binary_little_endian", 0, "element face 2\n")
    header = header.replace(b"end_header", b"property list uint int vertex_indices\nend_header")
    assert _error(header + b"\xff" * 8).code == "malformed_mesh"


def test_a_negative_list_length_is_refused():
    header = _header("ascii", 1, _LISTS.format(2))
    assert "negative" in _error(header + b"0 0 0\n3 0 0 0\n-3 0 0 0\n").detail


@pytest.mark.parametrize(
    "header",
    [
        b"ply\nformat ascii 1.0\nelement vertex 3\n",
        b"ply\nelement vertex 0\nend_header\n",
        b"ply\nformat morse 1.0\nend_header\n",
        b"ply\nformat ascii 1.0\nproperty float x\nend_header\n",
        b"ply\nformat ascii 1.0\nelement vertex -1\nend_header\n",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty quad x\nend_header\n",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n",
        b"ply\nformat ascii 1.0\nformat ascii 1.0\nend_header\n",
        _header("ascii", 1, "element face 1\nproperty int a\n") + b"0 0 0\n1\n",
    ],
)
def test_a_header_that_makes_no_sense_is_refused(header: bytes):
    assert _error(header).code == "malformed_mesh"


@pytest.mark.parametrize("body", [b"0 0 zero\n", b"0 0 0 \xff\n"])
def test_text_that_is_no_number_is_refused(body: bytes):
    assert _error(_header("ascii", 1) + body).code == "malformed_mesh"


def test_mixed_polygons_are_read_in_linear_time():
    face = {n: bytes([n]) + np.arange(n, dtype="<i4").tobytes() for n in (3, 4)}
    body = np.eye(4, 3, dtype="<f4").tobytes() + (face[3] + face[4]) * 50_000
    started = time.process_time()
    raw = read_ply(
        _header("binary_little_endian", 4, _LISTS.format(100_000)) + body, DEFAULT_LIMITS
    )
    assert len(raw.faces) == 150_000
    assert time.process_time() - started < 2


def test_a_byte_order_mark_is_skipped():
    for data in (shapes.ply_bytes(_TORUS), shapes.ascii_ply_bytes(_TORUS)):
        assert np.array_equal(read_ply(b"\xef\xbb\xbf" + data, DEFAULT_LIMITS).faces, _TORUS.faces)


def test_text_with_more_numbers_than_declared_is_refused():
    data = _header("ascii", 3, _LISTS.format(1)) + b"0 0 0 9\n1 0 0 9\n0 1 0 9\n3 0 1 2\n"
    assert _error(data).code == "malformed_mesh"
    data = _header("ascii", 3, _LISTS.format(1)) + b"0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n3 2 1 0\n"
    assert "4 numbers more" in _error(data).detail


def test_triangle_strips_are_no_cloud():
    strips = "element tristrips 1\nproperty list int int vertex_indices\n"
    data = _header("ascii", 3, strips) + b"0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    assert "triangle strips" in _error(data).detail
