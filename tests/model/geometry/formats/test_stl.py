import struct

import numpy as np
import pytest

from model.geometry.errors import MeshError
from model.geometry.formats.stl import read_stl
from model.geometry.limits import DEFAULT_LIMITS
from model.geometry.mesh import export_mesh
from tests import shapes

_TORUS = shapes.torus().mesh
_BINARY = export_mesh(_TORUS, "stl")


def _detail(data: bytes) -> str:
    with pytest.raises(MeshError) as caught:
        read_stl(data, DEFAULT_LIMITS)
    assert caught.value.code == "malformed_mesh"
    return caught.value.detail


@pytest.mark.parametrize("data", [_BINARY, shapes.ascii_stl_bytes(_TORUS), _BINARY + b"\0\0"])
def test_both_kinds_give_the_triangles(data: bytes):
    raw = read_stl(data, DEFAULT_LIMITS)
    assert np.allclose(raw.vertices[raw.faces], _TORUS.triangles, atol=1e-6)


@pytest.mark.parametrize("kept", [85, 1000, len(_BINARY) - 1])
def test_a_cut_off_binary_file_names_expected_and_found_bytes(kept: int):
    detail = _detail(_BINARY[:kept])
    assert f"{len(_BINARY):,}" in detail
    assert f"{kept:,}" in detail


@pytest.mark.parametrize("count", [0, 1, 2**32 - 1])
def test_a_count_that_lies_is_refused(count: int):
    detail = _detail(_BINARY[:80] + struct.pack("<I", count) + _BINARY[84:])
    assert f"{count:,} triangles" in detail


def test_a_header_alone_is_refused():
    assert "84 bytes" in _detail(b"\0" * 50)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_off_text_file_is_refused(share: float):
    text = shapes.ascii_stl_bytes(_TORUS)
    assert "cut off" in _detail(text[: int(len(text) * share)])


@pytest.mark.parametrize("vertex", [b"vertex 0 0", b"vertex 0 0 zero", b"vertex 0 0 0 0"])
def test_a_bad_vertex_line_is_refused(vertex: bytes):
    text = shapes.ascii_stl_bytes(shapes.box().mesh)
    first = text.index(b"vertex")
    _detail(text[:first] + vertex + text[text.index(b"\n", first) :])


def test_upper_case_and_several_solids_are_read():
    text = shapes.ascii_stl_bytes(shapes.box().mesh)
    assert len(read_stl(text.upper() + text, DEFAULT_LIMITS).faces) == 24


@pytest.mark.parametrize("ends", [b"\r", b"\r\n"])
def test_text_with_a_byte_order_mark_and_any_line_ends_is_read(ends: bytes):
    text = b"\xef\xbb\xbf" + shapes.ascii_stl_bytes(_TORUS).replace(b"\n", ends)
    raw = read_stl(text, DEFAULT_LIMITS)
    assert np.allclose(raw.vertices[raw.faces], _TORUS.triangles, atol=1e-6)


def test_numbers_and_vertices_never_move_to_the_next_line_or_facet():
    lines = shapes.ascii_stl_bytes(shapes.box().mesh).splitlines()
    places = [place for place, line in enumerate(lines) if b"vertex" in line]
    lines[places[0]], lines[places[1]] = b"vertex 0 0", b"vertex 0 0 0 0"
    assert "three numbers" in _detail(b"\n".join(lines))
    lines = shapes.ascii_stl_bytes(shapes.box().mesh).splitlines()
    lines.insert(places[0], lines.pop(places[5]))
    assert "three vertex lines" in _detail(b"\n".join(lines))
