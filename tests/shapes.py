"""Shapes with known answers: closed meshes, their exact volumes, and the same as file bytes."""

import io
import struct
from dataclasses import dataclass

import numpy as np
import trimesh


@dataclass(frozen=True)
class Shape:
    """A closed mesh of outward-facing triangles beside the smooth solid it approximates.

    Attributes:
        mesh: the triangles.
        volume: exact volume of the smooth solid.
        area: exact surface area of the smooth solid.
    """

    mesh: trimesh.Trimesh
    volume: float
    area: float


def sphere(radius: float = 1.0, subdivisions: int = 4) -> Shape:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Shape(mesh, volume=4 / 3 * np.pi * radius**3, area=4 * np.pi * radius**2)


def box(size: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> Shape:
    x, y, z = size
    mesh = trimesh.creation.box(extents=size)
    return Shape(mesh, volume=x * y * z, area=2 * (x * y + y * z + z * x))


def torus(major: float = 0.7, minor: float = 0.2) -> Shape:
    """Around the z axis: `major` to the center of the tube, `minor` within it."""
    mesh = trimesh.creation.torus(major, minor, major_sections=96, minor_sections=48)
    return Shape(mesh, volume=2 * np.pi**2 * major * minor**2, area=4 * np.pi**2 * major * minor)


def moved(mesh: trimesh.Trimesh, offset: tuple[float, float, float]) -> trimesh.Trimesh:
    """A copy of `mesh`, translated."""
    return trimesh.Trimesh(np.asarray(mesh.vertices) + offset, mesh.faces, process=False)


def off_bytes(mesh: trimesh.Trimesh) -> bytes:
    lines = [f"OFF\n{len(mesh.vertices)} {len(mesh.faces)} 0"]
    lines += ["{!r} {!r} {!r}".format(*vertex) for vertex in mesh.vertices.tolist()]
    lines += ["3 {} {} {}".format(*face) for face in mesh.faces.tolist()]
    return "\n".join(lines).encode()


def ascii_stl_bytes(mesh: trimesh.Trimesh) -> bytes:
    lines = ["solid shape"]
    for corners in mesh.triangles.tolist():
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex {!r} {!r} {!r}".format(*corner) for corner in corners]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid shape", ""]).encode()


def ply_bytes(mesh: trimesh.Trimesh, byte_order: str = "<") -> bytes:
    """Binary PLY; `byte_order` is "<" or ">"."""
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[byte_order]
    header = (
        f"ply\nformat {name} 1.0\nelement vertex {len(mesh.vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    vertices = mesh.vertices.astype(byte_order + "f4").tobytes()
    rows = np.empty(len(mesh.faces), dtype=[("n", "u1"), ("f", byte_order + "i4", 3)])
    rows["n"], rows["f"] = 3, mesh.faces
    return header.encode() + vertices + rows.tobytes()


def ascii_ply_bytes(mesh: trimesh.Trimesh) -> bytes:
    lines = ["ply", "format ascii 1.0", f"element vertex {len(mesh.vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(mesh.faces)}", "property list uchar int vertex_index"]
    lines += ["end_header"]
    lines += ["{!r} {!r} {!r}".format(*vertex) for vertex in mesh.vertices.tolist()]
    lines += ["3 {} {} {}".format(*face) for face in mesh.faces.tolist()]
    return "\n".join([*lines, ""]).encode()


def npy_bytes(points: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, points)
    return stream.getvalue()


def glb_bytes(json_chunk: bytes, binary_chunk: bytes = b"") -> bytes:
    """A binary glTF around any JSON, valid or not."""
    text = json_chunk + b" " * (-len(json_chunk) % 4)
    binary = binary_chunk + b"\0" * (-len(binary_chunk) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    if binary:
        chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
