import time

import numpy as np
import pytest

from model.geometry.errors import MeshError
from model.geometry.formats.obj import read_obj
from model.geometry.limits import DEFAULT_LIMITS, MeshLimits

_SQUARE = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def _faces(faces: bytes) -> list[list[int]]:
    return read_obj(_SQUARE + faces, DEFAULT_LIMITS).faces.tolist()


def _error(data: bytes) -> MeshError:
    with pytest.raises(MeshError) as caught:
        read_obj(data, DEFAULT_LIMITS)
    return caught.value


@pytest.mark.parametrize(
    "face",
    [b"f 1 2 3", b"f 1/1 2/2 3/3", b"f 1//1 2//2 3//3", b"f 1/1/1 2/2/2 3/3/3", b"f -4 -3 -2",
     b"  f\t1  2 3 # a comment", b"f 1 2 \\\n3", b"f 1 2 3\r"],
)  # fmt: skip
def test_every_way_to_write_a_face(face: bytes):
    assert _faces(face + b"\n") == [[0, 1, 2]]


def test_polygons_become_fans_and_short_faces_nothing():
    assert _faces(b"f 1 2\nf 1 2 3 4\nf 2 3 4\n") == [[0, 1, 2], [0, 2, 3], [1, 2, 3]]


def test_negative_indices_count_back_from_where_they_stand():
    data = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 5 0 0\nv 6 0 0\nv 5 1 0\nf -3 -2 -1\nf 1 2 -1"
    assert read_obj(data, DEFAULT_LIMITS).faces.tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 5]]


def test_colors_weights_and_other_statements_are_skipped():
    data = b"mtllib ../../secret\no a\nv 1 2 3 .5 .5 .5\nv 4 5 6 1.0\nvt 0 0\nvn 0 0 1\nv 7e0 8 9\n"
    data += b"usemtl x\ns off\ng b\nl 1 2\nf 1 2 3\n"
    raw = read_obj(data, DEFAULT_LIMITS)
    assert raw.vertices.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert raw.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_line_ends_of_all_systems(ends: bytes):
    raw = read_obj((_SQUARE + b"f 1 2 3\n").replace(b"\n", ends), DEFAULT_LIMITS)
    assert raw.vertices.shape == (4, 3)
    assert len(raw.faces) == 1


@pytest.mark.parametrize("face", [b"f 0 1 2\n", b"f 0 0 0\n"])
def test_index_zero_is_refused(face: bytes):
    assert _error(_SQUARE + face).code == "invalid_mesh_index"


@pytest.mark.parametrize(("face", "found"), [(b"f 1 2 9", 8), (b"f -5 1 2", -1)])
def test_an_index_out_of_range_stays_out_of_range(face: bytes, found: int):
    assert found in read_obj(_SQUARE + face, DEFAULT_LIMITS).faces


@pytest.mark.parametrize(
    "data",
    [b"v 0 0\nv 1 0 0\n", b"v 0 0 zero\n", b"v 0,5 0,5 1\n", _SQUARE + b"f 1 2 x\n",
     _SQUARE + b"f 1.5 2 3\n", _SQUARE + b"f nan 2 3\n", _SQUARE + b"f 1e300 2 3\n"],
)  # fmt: skip
def test_what_is_no_number_is_malformed(data: bytes):
    assert _error(data).code == "malformed_mesh"


def test_the_face_limit_counts_triangles_and_not_polygons():
    data = _SQUARE + b"f" + b" 1 2 3 4" * 100 + b"\n"
    assert len(read_obj(data, MeshLimits(max_faces=398)).faces) == 398
    with pytest.raises(MeshError, match="398 faces"):
        read_obj(data, MeshLimits(max_faces=397))


def test_many_materials_cost_no_time():
    faces = b"".join(b"usemtl m%d\ng g%d\nf 1 2 3\n" % (i, i) for i in range(30_000))
    started = time.process_time()
    raw = read_obj(_SQUARE + faces, DEFAULT_LIMITS)
    assert len(raw.faces) == 30_000
    assert time.process_time() - started < 2


def test_a_file_without_faces_is_read_as_such():
    raw = read_obj(_SQUARE, DEFAULT_LIMITS)
    assert raw.faces.shape == (0, 3)
    assert raw.vertices.dtype == np.float64


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf%b",
        b"# joined with another file\n\xef\xbb\xbf%b",
        b"\x0c\t %b",
        b"\xc2\xa0%b",
        b"# exported from C:\\models\\\n%b",
        b"mtllib C:\\models\\\r\n%b",
    ],
)
def test_nothing_before_a_vertex_hides_it(text: bytes):
    raw = read_obj(text % (_SQUARE + b"f 1 2 3\n"), DEFAULT_LIMITS)
    assert raw.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert raw.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    "vertex", [b"V 1 0 0", b"v1 0 0", b"v\x0b1 0 0", b"v 1 0 0#c", b"v 1 0 0 1"]
)
def test_every_way_to_write_a_vertex(vertex: bytes):
    data = _SQUARE.replace(b"v 1 0 0", vertex) + b"f -4 -3 -2\n"
    raw = read_obj(data, DEFAULT_LIMITS)
    assert raw.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert raw.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    "data",
    [
        _SQUARE.replace(b"v 1 0 0", b"v") + b"f 1 2 3\n",
        _SQUARE.replace(b"v 1 0 0", b"v\xc2\xa01 0 0") + b"f 1 2 3\n",
        *(_SQUARE + b"f 1 2 3\n" + face for face in (b"f 1 / 2 3", b"f 1 /2 3 4", b"f/1 2 3")),
        _SQUARE + b"f 1 2 3 \\\nf 1 3 4\n",
        _SQUARE + b"f 1 2 3 \\ \n4\n",
    ],
)
def test_what_could_mean_another_mesh_is_malformed(data: bytes):
    assert _error(data).code == "malformed_mesh"
