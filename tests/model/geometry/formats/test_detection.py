import contextlib
import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from model.geometry.errors import MeshError
from model.geometry.formats.detection import IMPORT_FORMATS, detect_format
from model.geometry.mesh import export_mesh
from tests import shapes

_BOX = shapes.box().mesh
_FILES = {
    "glb": export_mesh(_BOX, "glb"),
    "gltf": json.dumps({"asset": {"version": "2.0"}}).encode(),
    "obj": export_mesh(_BOX, "obj"),
    "stl": export_mesh(_BOX, "stl"),
    "ply": export_mesh(_BOX, "ply"),
    "off": shapes.off_bytes(_BOX),
    "npy": shapes.npy_bytes(np.zeros((600, 3))),
}


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("box.stl", _FILES["stl"])
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    return stream.getvalue()


def test_every_format_is_covered():
    assert set(_FILES) == set(IMPORT_FORMATS)


@pytest.mark.parametrize("kind", IMPORT_FORMATS)
@pytest.mark.parametrize("hint", [None, *(f"wrong.{name}" for name in IMPORT_FORMATS)])
def test_the_bytes_decide_whatever_the_name_says(kind: str, hint: str | None):
    assert detect_format(_FILES[kind], hint) == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (shapes.ascii_stl_bytes(_BOX), "stl"),
        (b"solid made by hand" + _FILES["stl"][18:], "stl"),  # binary in spite of its header
        (shapes.ascii_ply_bytes(_BOX), "ply"),
        (b"# a comment\r\n\r\nv 0 0 0\r\n", "obj"),
        (b"\xef\xbb\xbf# with a byte order mark\nv 0 0 0\n", "obj"),
        (b"\xef\xbb\xbfv 0 0 0\n", "obj"),
        (b"# a comment\rv 0 0 0\r", "obj"),
        *((b"\xef\xbb\xbf" + _FILES[kind], kind) for kind in ("gltf", "obj", "ply", "off")),
        (b"\xef\xbb\xbf" + shapes.ascii_ply_bytes(_BOX), "ply"),
        (b"\xef\xbb\xbf" + shapes.ascii_stl_bytes(_BOX), "stl"),
        (b"\xef\xbb\xbfin UTF-8" + _FILES["stl"][11:], "stl"),
        (b"# a comment\nCOFF\n3 1 0\n", "off"),
        (b'\n {"scenes": [], "asset" : {"version": "2.0"}}', "gltf"),
    ],
)
def test_variants_are_recognized_without_a_name(data: bytes, kind: str):
    assert detect_format(data) == kind


@pytest.mark.parametrize("hint", ["part.STL", ".stl", "stl", None])
def test_a_cut_off_binary_stl_is_still_an_stl(hint: str | None):
    assert detect_format(_FILES["stl"][:-100], hint) == "stl"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (_zip(), "zip"),
        (gzip.compress(_FILES["stl"]), "gzip"),
        (_tar(), "tar"),
        (b"Kaydara FBX Binary  \0" + b"\0" * 99, "FBX"),
        (b'<?xml version="1.0"?><COLLADA></COLLADA>', "XML"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "PNG"),
        (b"just some notes\nabout a chair\n", "text"),
        (b'{"name": "no scene"}', "text"),
        (b"\x01\x02\x00\x03" * 50, "binary"),
    ],
)
@pytest.mark.parametrize("hint", [None, "mesh.glb", "mesh.ply"])
def test_anything_else_is_refused_by_what_it_is(data: bytes, name: str, hint: str | None):
    with pytest.raises(MeshError, match="glb, gltf, obj, stl, ply, off, npy") as caught:
        detect_format(data, hint)
    assert caught.value.code == "unsupported_mesh_format"
    assert name in caught.value.detail


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("kind", ["gltf", "obj", "off"])
@pytest.mark.parametrize("hint", [None, "mesh.stl"])
def test_text_of_wide_characters_is_refused_as_such(encoding: str, kind: str, hint: str | None):
    with pytest.raises(MeshError, match=r"UTF-16 .* UTF-8") as caught:
        detect_format(_FILES[kind].decode().encode(encoding), hint)
    assert caught.value.code == "unsupported_mesh_format"


@pytest.mark.parametrize("hint", [None, "x.stl", "x.obj"])
@pytest.mark.parametrize("kept", [84, 100, 133, 184, 234, 400])
@pytest.mark.parametrize("header", [b"", b"made by a scanner", b"solid ", b"\xff\xd7\x99" * 9])
def test_the_first_bytes_of_a_binary_stl_are_an_stl(header: bytes, kept: int, hint: str | None):
    if kept < 134 and b"\xff" in header:
        header = b""  # neither a triangle nor text
    data = header + _FILES["stl"][len(header) :]
    assert detect_format(data[:kept], hint) == "stl"


@pytest.mark.parametrize("more", [10, 49, 50, 500])
def test_a_binary_stl_with_bytes_after_it_is_an_stl(more: int):
    assert detect_format(_FILES["stl"] + b"\0" * more) == "stl"


@pytest.mark.parametrize("size", [84, 100, 134, 200, 2000])
def test_arbitrary_bytes_are_hardly_ever_an_stl(size: int):
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(1000):
        with contextlib.suppress(MeshError):
            detect_format(generator.bytes(size))
            found += 1
    assert found <= 2


@pytest.mark.parametrize(
    "data",
    [
        np.arange(500, dtype="<f4").tobytes(),
        np.arange(500, dtype="<u4").tobytes(),
        np.arange(500, dtype="<f8").tobytes(),
        b"a note\0" * 50,
        b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\x3e\0\1" + bytes(500),
    ],
)
def test_other_binary_files_are_no_stl(data: bytes):
    with pytest.raises(MeshError) as caught:
        detect_format(data)
    assert caught.value.code == "unsupported_mesh_format"
