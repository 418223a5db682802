import base64
import json
import struct
import time
import tracemalloc
from typing import Any

import DracoPy
import numpy as np
import pytest
import trimesh

from model.geometry.errors import MeshError
from model.geometry.formats.gltf import read_glb, read_gltf
from model.geometry.formats.raw_mesh import RawMesh
from model.geometry.limits import DEFAULT_LIMITS, MeshLimits
from model.geometry.mesh import load_mesh
from tests import shapes

_POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype="<f4")
_CORNERS = np.array([0, 1, 2, 2, 1, 3], dtype="<u2")
_BINARY = _POINTS.tobytes() + _CORNERS.tobytes()
_HALF_TURN = [0.0, 0.0, 1.0, 0.0]  # about z


def _square(**changes: Any) -> dict[str, Any]:
    """A unit square of two triangles, with any top-level entry replaced."""
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 12},
        ],
        "buffers": [{"byteLength": 60}],
    }
    return document | changes


def _glb(document: dict[str, Any], binary: bytes = _BINARY) -> bytes:
    return shapes.glb_bytes(json.dumps(document).encode(), binary)


def _read(document: dict[str, Any], binary: bytes = _BINARY) -> RawMesh:
    return read_glb(_glb(document, binary), DEFAULT_LIMITS)


def _error(data: bytes, limits: MeshLimits = DEFAULT_LIMITS) -> MeshError:
    with pytest.raises(MeshError) as caught:
        load_mesh(data, limits=limits)
    return caught.value


def _corners(raw: RawMesh) -> list[list[list[float]]]:
    triangles: list[list[list[float]]] = raw.vertices[raw.faces].round(6).tolist()
    return triangles


class TestGeometry:
    def test_indexed_triangles(self):
        raw = _read(_square())
        assert np.array_equal(raw.vertices, _POINTS)
        assert raw.faces.tolist() == [[0, 1, 2], [2, 1, 3]]

    def test_self_contained_json_reads_the_same(self):
        uri = "data:application/octet-stream;base64," + base64.b64encode(_BINARY).decode()
        document = _square(buffers=[{"byteLength": 60, "uri": uri}])
        raw = read_gltf(json.dumps(document).encode(), DEFAULT_LIMITS)
        assert _corners(raw) == _corners(_read(_square()))

    @pytest.mark.parametrize(
        ("mode", "faces"),
        [
            (5, [[0, 1, 2], [1, 3, 2]]),
            (6, [[1, 2, 0], [2, 3, 0]]),
            (4, [[0, 1, 2]]),
            (0, []),
            (1, []),
        ],
    )
    def test_each_primitive_mode(self, mode: int, faces: list[list[int]]):
        document = _square(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "mode": mode}]}])
        if mode == 4:
            document["accessors"][0]["count"] = 3
        assert _read(document).faces.tolist() == faces

    def test_interleaved_vertices(self):
        rows = np.zeros((4, 8), dtype="<f4")
        rows[:, 2:5] = _POINTS
        binary = rows.tobytes() + _CORNERS.tobytes()
        document = _square(buffers=[{"byteLength": 140}])
        document["accessors"][0]["byteOffset"] = 8
        document["bufferViews"] = [
            {"buffer": 0, "byteLength": 128, "byteStride": 32},
            {"buffer": 0, "byteOffset": 128, "byteLength": 12},
        ]
        assert np.array_equal(_read(document, binary).vertices, _POINTS)

    def test_quantized_vertices(self):
        quantized = np.zeros((4, 4), dtype="<i2")
        quantized[:, :3] = [[0, 0, 0], [32767, 0, 0], [0, -32768, 0], [16384, 0, 0]]
        document = _square(extensionsRequired=["KHR_mesh_quantization"])
        document["accessors"][0] |= {"componentType": 5122, "normalized": True}
        document["bufferViews"][0] |= {"byteLength": 32, "byteStride": 8}
        document["bufferViews"][1]["byteOffset"] = 32
        raw = _read(document, quantized.tobytes() + _CORNERS.tobytes() + b"\0" * 20)
        assert np.allclose(raw.vertices, [[0, 0, 0], [1, 0, 0], [0, -1, 0], [0.5, 0, 0]], atol=1e-4)

    def test_sparse_replacement(self):
        binary = _BINARY + struct.pack("<H2x3f", 3, 7, 8, 9)
        document = _square(buffers=[{"byteLength": 76}])
        document["bufferViews"] += [
            {"buffer": 0, "byteOffset": 60, "byteLength": 2},
            {"buffer": 0, "byteOffset": 64, "byteLength": 12},
        ]
        document["accessors"][0]["sparse"] = {
            "count": 1,
            "indices": {"bufferView": 2, "componentType": 5123},
            "values": {"bufferView": 3},
        }
        assert _read(document, binary).vertices.tolist() == [*_POINTS[:3].tolist(), [7, 8, 9]]

    def test_draco(self):
        torus = shapes.torus().mesh
        packed = DracoPy.encode(torus.vertices, torus.faces, quantization_bits=16)
        document = _square(
            extensionsRequired=["KHR_draco_mesh_compression"],
            buffers=[{"byteLength": len(packed)}],
            bufferViews=[{"buffer": 0, "byteLength": len(packed)}],
        )
        document["accessors"][0] = {"componentType": 5126, "count": 4608, "type": "VEC3"}
        extension = {"bufferView": 0, "attributes": {"POSITION": 0}}
        document["meshes"][0]["primitives"][0]["extensions"] = {
            "KHR_draco_mesh_compression": extension
        }
        raw = _read(document, packed)
        mesh = trimesh.Trimesh(raw.vertices, raw.faces, process=False)
        assert mesh.volume == pytest.approx(torus.volume, rel=1e-3)
        damaged = packed[:40] + b"\xff" * 40 + packed[80:]
        assert _error(_glb(document, damaged)).code == "malformed_mesh"


class TestScene:
    def test_nested_transforms_apply_from_the_root(self):
        nodes = [
            {"children": [1], "translation": [10, 0, 0], "rotation": _HALF_TURN},
            {"mesh": 0, "scale": [2, 3, 4], "translation": [1, 0, 0]},
        ]
        expected = np.array([10, 0, 0]) - (_POINTS * [2, 3, -4] + [1, 0, 0])
        assert np.allclose(_read(_square(nodes=nodes)).vertices, expected)

    def test_a_matrix_is_column_major(self):
        matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]
        raw = _read(_square(nodes=[{"mesh": 0, "matrix": matrix}]))
        assert np.array_equal(raw.vertices, _POINTS + np.array([5, 6, 7]))

    def test_a_mirrored_instance_keeps_facing_outward(self):
        raw = _read(_square(nodes=[{"mesh": 0, "scale": [-1, 1, 1]}]))
        mesh = trimesh.Trimesh(raw.vertices, raw.faces, process=False)
        assert np.allclose(mesh.face_normals, [0, 0, 1])

    def test_each_instance_is_a_copy(self):
        nodes = [{"children": [1, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [0, 0, 1]}]
        raw = _read(_square(nodes=nodes))
        assert raw.faces.tolist() == [[0, 1, 2], [2, 1, 3], [4, 5, 6], [6, 5, 7]]
        assert raw.vertices[:, 2].tolist() == [0] * 4 + [1] * 4

    def test_only_the_default_scene_is_read(self):
        nodes = [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
        document = _square(nodes=nodes, scene=1, scenes=[{"nodes": [0]}, {"nodes": [1]}])
        assert _read(document).vertices[:, 0].min() == 5

    def test_without_a_scene_all_roots_are_read(self):
        nodes = [{"mesh": 0}, {"children": [0]}, {"mesh": 0}]
        document = _square(nodes=nodes)
        del document["scenes"]
        assert len(_read(document).faces) == 4

    def test_textures_in_other_files_are_ignored(self):
        document = _square(images=[{"uri": "../../secret.png"}], textures=[{"source": 0}])
        assert len(_read(document).faces) == 2


class TestRefusals:
    @pytest.mark.parametrize("kept", [10, 19, 100, 300])
    def test_a_cut_off_file_names_expected_and_found_bytes(self, kept: int):
        data = _glb(_square())
        error = _error(data[:kept])
        assert error.code == "malformed_mesh"
        assert str(kept) in error.detail

    def test_an_accessor_bomb_costs_no_memory(self):
        document = _square()
        document["accessors"][0]["count"] = 800_000_000
        data = _glb(document)
        tracemalloc.start()
        try:
            error = _error(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert error.code == "mesh_too_large"
        assert "800,000,000" in error.detail
        assert peak < 2**20

    def test_an_accessor_past_its_buffer_names_both_sizes(self):
        document = _square()
        document["accessors"][0]["count"] = 5
        assert "needs 60 bytes" in _error(_glb(document)).detail

    def test_a_buffer_larger_than_the_file_names_both_sizes(self):
        detail = _error(_glb(_square(buffers=[{"byteLength": 5000}]))).detail
        assert "5,000" in detail
        assert "60" in detail

    @pytest.mark.parametrize("uri", ["mesh.bin", "file:///etc/passwd", "http://host/a", "../a"])
    def test_references_to_other_files_are_never_followed(self, uri: str):
        error = _error(_glb(_square(buffers=[{"byteLength": 60, "uri": uri}])))
        assert error.code == "malformed_mesh"
        assert "never followed" in error.detail

    def test_instances_are_counted_before_they_are_made(self):
        nodes = [{"children": list(range(1, 101))}, *({"mesh": 0} for _ in range(100))]
        data = _glb(_square(nodes=nodes))
        assert len(load_mesh(data, limits=MeshLimits(max_faces=200)).faces) == 200
        assert _error(data, MeshLimits(max_faces=199)).code == "mesh_too_large"
        assert _error(data, MeshLimits(max_scene_nodes=100)).code == "mesh_too_large"

    def test_primitives_are_counted_like_nodes(self):
        primitive = {"attributes": {"POSITION": 0}, "indices": 1}
        data = _glb(_square(meshes=[{"primitives": [primitive] * 101}]))
        assert len(load_mesh(data, limits=MeshLimits(max_scene_nodes=101)).faces) == 202
        assert _error(data, MeshLimits(max_scene_nodes=100)).code == "mesh_too_large"

    @pytest.mark.parametrize(
        "nodes",
        [
            [{"children": [0]}],
            [{"children": [1]}, {"children": [0]}],
            [{"children": [1, 1]}, {"mesh": 0}],
            [{"children": [7]}],
            [{"children": ["1"]}],
            [{"mesh": 3}],
            [{"mesh": -1}],
            [{"mesh": 0, "matrix": [1, 2, 3]}],
            [{"mesh": 0, "rotation": "upright"}],
        ],
    )
    def test_a_scene_that_is_no_tree_is_refused(self, nodes: list[dict[str, Any]]):
        assert _error(_glb(_square(nodes=nodes))).code == "malformed_mesh"

    @pytest.mark.parametrize("change", [{"scale": [1, 1, 1e999]}, {"translation": [0, 0, 1e999]}])
    def test_a_transform_that_is_not_finite_is_refused(self, change: dict[str, Any]):
        assert _error(_glb(_square(nodes=[{"mesh": 0} | change]))).code == "non_finite_mesh"

    def test_a_transform_that_overflows_is_refused(self):
        nodes = [{"children": [1], "scale": [1e200] * 3}, {"mesh": 0, "scale": [1e200] * 3}]
        assert _error(_glb(_square(nodes=nodes))).code == "non_finite_mesh"

    @pytest.mark.parametrize("extension", ["EXT_meshopt_compression", "EXT_mesh_gpu_instancing"])
    def test_a_required_extension_that_is_not_known_is_named(self, extension: str):
        error = _error(_glb(_square(extensionsRequired=[extension])))
        assert error.code == "unsupported_mesh_format"
        assert extension in error.detail

    def test_gltf_1_is_refused_as_such(self):
        data = _glb(_square())
        assert _error(data[:4] + struct.pack("<I", 1) + data[8:]).code == "unsupported_mesh_format"
        assert _error(_glb(_square(asset={"version": "1.0"}))).code == "unsupported_mesh_format"

    @pytest.mark.parametrize(
        "text", [b"{", b"[]", b"null", b'{"asset": 3}', b"[" * 100_000, b'{"asset":{},"nodes":[5]}']
    )
    def test_json_that_is_no_document_is_refused(self, text: bytes):
        assert _error(shapes.glb_bytes(text)).code in {"malformed_mesh", "empty_mesh"}

    def test_a_document_of_millions_of_values_is_refused_unparsed(self):
        started = time.process_time()
        error = _error(shapes.glb_bytes(b'{"a":[' + b"0," * 3_000_000 + b"0]}"))
        assert error.code == "mesh_too_large"
        assert time.process_time() - started < 1

    @pytest.mark.parametrize("key", ["meshes", "accessors", "bufferViews", "buffers", "nodes"])
    @pytest.mark.parametrize("value", [None, 3, "text", [], [None], [{}], {}])
    def test_any_entry_may_be_nonsense(self, key: str, value: Any):
        assert _error(_glb(_square(**{key: value}))).code in {"malformed_mesh", "empty_mesh"}

    def test_damaged_bytes_never_escape_the_error_type(self):
        data = _glb(_square())
        generator = np.random.default_rng(0)
        for _ in range(300):
            damaged = bytearray(data)
            for place in generator.integers(12, len(data), size=4):
                damaged[place] = generator.integers(256)
            try:
                load_mesh(bytes(damaged), hint="glb")
            except MeshError:
                continue
