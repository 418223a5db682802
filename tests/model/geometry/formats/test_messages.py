"""What is wrong with a file is told in the file's words, never in Python's."""

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import trimesh

from model.geometry.errors import MeshError
from model.geometry.limits import DEFAULT_LIMITS, MeshLimits
from model.geometry.mesh import load_mesh
from tests import shapes
from tests.fuzz.answers import check_words

_POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype="<f4")
_BINARY = _POINTS.tobytes() + np.array([0, 1, 2, 2, 1, 3], dtype="<u2").tobytes()
_URI = "data:application/octet-stream;base64," + base64.b64encode(_BINARY).decode()
_SQUARE = {
    "asset": {"version": "2.0"},
    "extensionsRequired": [],
    "scene": 0,
    "scenes": [{"nodes": [0]}],
    "nodes": [{"children": [1]}, {"mesh": 0, "translation": [0, 0, 0], "scale": [1, 1, 1]}],
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 4}]}],
    "accessors": [
        {
            "bufferView": 0,
            "byteOffset": 0,
            "componentType": 5126,
            "count": 4,
            "type": "VEC3",
            "sparse": {
                "count": 1,
                "indices": {"bufferView": 1, "componentType": 5123},
                "values": {"bufferView": 0},
            },
        },
        {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
    ],
    "bufferViews": [
        {"buffer": 0, "byteOffset": 0, "byteLength": 48, "byteStride": 12},
        {"buffer": 0, "byteOffset": 48, "byteLength": 12},
    ],
    "buffers": [{"byteLength": 60, "uri": _URI}],
}
_NASTY = (
    None,
    True,
    -1,
    1,
    7,
    0.5,
    2**31,
    2**63,
    10**400,
    1e300,
    float("nan"),
    "",
    "VEC4",
    "\ud800",
)
_NASTY += ("data:,", "data:;base64,\u00e4", [], {}, [None], [{}], [[]], ["0"], {"POSITION": None})  # type: ignore[assignment]


def _refusal(data: bytes) -> str | None:
    try:
        load_mesh(data)
    except MeshError as error:
        check_words(error.detail)
        return error.detail
    return None


def _detail(data: bytes, limits: MeshLimits = DEFAULT_LIMITS) -> str:
    with pytest.raises(MeshError) as caught:
        load_mesh(data, limits=limits)
    check_words(caught.value.detail)
    return caught.value.detail


def _gltf(**changes: Any) -> bytes:
    return json.dumps(_SQUARE | changes).encode()


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield (*path, key)
            yield from _places(node[key], (*path, key))


def _spoiled() -> Iterator[bytes]:
    """The square with each of its values replaced by each other kind, or left out."""
    for path in _places(_SQUARE):
        for value in (*_NASTY, ...):
            document = copy.deepcopy(_SQUARE)
            holder: Any = document
            for key in path[:-1]:
                holder = holder[key]
            if value is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
            yield json.dumps(document).encode()


def test_the_square_itself_is_read():
    assert len(load_mesh(_gltf()).faces) == 2


def test_any_value_of_a_gltf_may_be_wrong_and_is_told_by_its_name():
    refused = 0
    for data in _spoiled():
        detail = _refusal(data)
        refused += detail is not None
        assert "contradict" not in (detail or ""), data
    assert refused > 500


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"buffers": [{"byteLength": 60, "uri": 7}]}, "has 7 as its uri, which must be a string"),
        ({"meshes": [{"primitives": [{"attributes": {}}]}]}, "has no POSITION"),
        (
            {"accessors": [_SQUARE["accessors"][0] | {"componentType": 1}] * 2},  # type: ignore[index]
            "has the componentType 1, which is none of 5120",
        ),
        ({"nodes": 5}, "has 5 as its nodes, which must be a list"),
        ({"asset": None}, "has null as its asset, which must be a JSON object"),
        ({"nodes": [{"mesh": 0, "scale": [1, 1]}], "scenes": []}, "a scale that is not 3 numbers"),
    ],
)
def test_gltf_messages_name_what_is_wrong(changes: dict[str, Any], words: str):
    assert words in _detail(_gltf(**changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"asset": {"version": "2.0"}, "x": ' + b"1" * 100_000 + b"}", "too many digits"),
        (b'{"asset": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"asset": {"version": "2.0"}, "x": "\xff"}', "byte 36 is not UTF-8"),
        (b'{"asset": {"version": "2.0"}, "x": }', "line 1, column 36"),
    ],
)
def test_text_that_is_no_json_is_told_why(text: bytes, words: str):
    assert words in _detail(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(600, 3)", b"(f(1),3)"),
        (b"(600, 3)", b"(9**9,3)"),
        (b"(600, 3)", b"[600, 3]"),
        (b"'<f4'", b"'<q9'"),
        (b"'descr'", b"'desc_'"),
        (b"{", b"("),
    ],
)
def test_npy_headers_are_quoted(old: bytes, new: bytes):
    data = shapes.npy_bytes(np.zeros((600, 3), np.float32))
    assert old in data
    detail = _detail(data.replace(old, new))
    assert new.decode().strip("{('") in detail


def test_npy_headers_too_long_or_too_new_are_told_as_such():
    long = b"\x93NUMPY\2\0" + (20_000).to_bytes(4, "little") + b"{'descr': '<f4'".ljust(20_000)
    assert "describes no array" in _detail(long + bytes(12_000))
    assert "version 9.1" in _detail(b"\x93NUMPY\x09\x01rubbish")


def test_a_gltf_beyond_the_limit_names_its_faces_and_the_limit():
    ball = trimesh.creation.icosphere(subdivisions=4)
    data = ball.export(file_type="glb")
    limits = MeshLimits(max_faces=1000, max_vertices=3000)
    assert _detail(data, limits) == "The mesh has 5,120 faces; at most 1,000 are accepted."


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"property float x\nproperty float x\n", "two properties 'x'"),
        (b"element edge " + b"9" * 5000 + b"\n", "not understood"),
    ],
)
def test_ply_headers_are_told_by_their_line(header: bytes, words: str):
    data = b"ply\nformat ascii 1.0\nelement vertex 1\n" + header + b"end_header\n0 0 0\n"
    assert words in _detail(data)


@pytest.mark.parametrize("length", [b"nan", b"inf", b"2.5"])
def test_a_ply_list_of_no_length_is_told_as_such(length: bytes):
    data = b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
    data += b"property float z\nelement face 1\nproperty list uchar int vertex_indices\n"
    assert f"length {length.decode()}" in _detail(data + b"end_header\n0 0 0\n%b 0 0 0\n" % length)


def test_an_off_count_of_too_many_digits_is_no_count():
    assert "does not declare" in _detail(b"OFF\n" + b"9" * 5000 + b" 1 0\n")
