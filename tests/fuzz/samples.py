"""Good files in each accepted format: of primitives, and real meshes where they are present."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache

import DracoPy
import numpy as np
import trimesh

from tests.conftest import REPO_ROOT
from tests.shapes import (
    ascii_ply_bytes,
    ascii_stl_bytes,
    glb_bytes,
    npy_bytes,
    off_bytes,
    ply_bytes,
)

_REAL = [folder / "shared" / "meshes" / "public" for folder in REPO_ROOT.parents]
_LARGEST = 60_000
_A_FORMAT = 3


@cache
def primitive_files() -> dict[str, bytes]:
    """One file of each kind, by a name that ends with its format."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    scene = trimesh.Scene()
    for place in range(3):
        box = trimesh.creation.box((1.0, 2.0, 0.5))
        scene.add_geometry(box, transform=trimesh.transformations.translation_matrix([place, 0, 0]))
    cloud = np.asarray(trimesh.creation.icosphere(subdivisions=3).vertices)
    return {
        "ball.glb": ball.export(file_type="glb"),
        "scene.glb": scene.export(file_type="glb"),
        "sparse.glb": _sparse_glb(),
        "draco.glb": _draco_glb(ball),
        "scene.gltf": _embedded(scene.export(file_type="glb")),
        "ball.obj": ball.export(file_type="obj").encode(),
        "quads.obj": b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n"
        b"f 1/1/1 2/1/1 3/1/1 4/1/1\nf -1 -2 -3\n",
        "binary.stl": ball.export(file_type="stl"),
        "text.stl": ascii_stl_bytes(trimesh.creation.box()),
        "little.ply": ply_bytes(ball),
        "big.ply": ply_bytes(ball, ">"),
        "text.ply": ascii_ply_bytes(ball),
        "mixed.ply": _mixed_ply(),
        "cloud.ply": trimesh.PointCloud(cloud).export(file_type="ply"),
        "ball.off": off_bytes(ball),
        "cloud.npy": npy_bytes(cloud),
        "columns.npy": npy_bytes(np.asfortranarray(cloud.astype(np.float32))),
    }


@cache
def real_files() -> dict[str, bytes]:
    """A few small public meshes of each format; none where there is no such folder."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for path in sorted(path for folder in _REAL for path in folder.rglob("*.*")):
        kept = found.setdefault(path.suffix, [])
        if path.suffix in (".glb", ".obj", ".stl", ".ply", ".off") and len(kept) < _A_FORMAT:
            kept += [(path.name, path.read_bytes())] if path.stat().st_size < _LARGEST else []
    return {name: data for kept in found.values() for name, data in kept}


def _embedded(glb: bytes) -> bytes:
    """A GLB as a self-contained JSON glTF."""
    size = int.from_bytes(glb[12:16], "little")
    document = json.loads(glb[20 : 20 + size])
    content = glb[28 + size :]
    document["buffers"] = [
        {
            "byteLength": len(content),
            "uri": "data:application/octet-stream;base64," + b64encode(content).decode(),
        }
    ]
    return json.dumps(document).encode()


def _document(accessors: list, views: list, length: int, **primitive: object) -> bytes:
    return json.dumps(
        {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "rotation": [0, 0, 0, 1], "scale": [1, 2, 1]}],
            "meshes": [{"primitives": [primitive]}],
            "accessors": accessors,
            "bufferViews": views,
            "buffers": [{"byteLength": length}],
        }
    ).encode()


def _sparse_glb() -> bytes:
    """Quantized positions, of which a sparse part replaces one; a strip of triangles."""
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], "<i2") * 9000
    content = positions.tobytes() + np.uint16(3).tobytes() + np.array([9, 9, 9], "<i2").tobytes()
    sparse = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5123},
        "values": {"bufferView": 2},
    }
    accessor = {"bufferView": 0, "componentType": 5122, "count": 4, "type": "VEC3"}
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": 24, "byteStride": 6},
        {"buffer": 0, "byteOffset": 24, "byteLength": 2},
        {"buffer": 0, "byteOffset": 26, "byteLength": 6},
    ]
    document = _document(
        [accessor | {"sparse": sparse, "normalized": True}],
        views,
        len(content),
        attributes={"POSITION": 0},
        mode=5,
    )
    return glb_bytes(document, content)


def _draco_glb(mesh: trimesh.Trimesh) -> bytes:
    content = DracoPy.encode(mesh.vertices, mesh.faces)
    counts = (len(mesh.vertices), 3 * len(mesh.faces))
    accessors = [
        {"componentType": 5126, "count": counts[0], "type": "VEC3"},
        {"componentType": 5125, "count": counts[1], "type": "SCALAR"},
    ]
    extension = {"bufferView": 0, "attributes": {"POSITION": 0}}
    document = _document(
        accessors,
        [{"buffer": 0, "byteLength": len(content)}],
        len(content),
        attributes={"POSITION": 0},
        indices=1,
        extensions={"KHR_draco_mesh_compression": extension},
    )
    return glb_bytes(document, content)


def _mixed_ply() -> bytes:
    """Triangles and quads, and a table that nobody asked for."""
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 5\nproperty float x\n"
        "property float y\nproperty float z\nelement face 2\n"
        "property list uchar int vertex_indices\nelement edge 1\nproperty int a\n"
        "property list int double b\nend_header\n"
    )
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], "<f4").tobytes()
    faces = b"\4" + np.array([0, 1, 2, 3], "<i4").tobytes()
    faces += b"\3" + np.array([0, 1, 4], "<i4").tobytes()
    edges = np.array([7, 1], "<i4").tobytes() + np.array([0.5]).tobytes()
    return header.encode() + vertices + faces + edges
