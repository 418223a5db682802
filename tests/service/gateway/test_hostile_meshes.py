"""Meshes meant to do harm: references to elsewhere, bombs, and what kills their reader."""

from __future__ import annotations

import asyncio
import base64
import errno
import gzip
import io
import json
import os
import signal
import socket
import struct
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
import pytest
import pytest_asyncio
import trimesh

from service.errors import (
    InvalidMeshIndex,
    MalformedMesh,
    MeshError,
    MeshTooLarge,
    PreprocessingTimeout,
    UnsupportedMeshFormat,
)
from service.gateway.ingest import MeshIngest
from service.gateway.limits import IngestLimits
from tests.service.gateway.test_ingest import process_id

LIMITS = IngestLimits(max_bytes=2**26, max_faces=100_000, memory_bytes=512 * 2**20, timeout_s=20.0)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ingest() -> AsyncIterator[MeshIngest]:
    async with MeshIngest(LIMITS, processes=1) as ingest:
        yield ingest


@pytest.fixture
def bait(tmp_path: Path) -> Iterator[Path]:
    """A pipe that whoever opens it to read waits at; in the end nobody may have."""
    path = tmp_path / "bait.bin"
    os.mkfifo(path)
    yield path
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is what matters
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    assert caught.value.errno == errno.ENXIO, "somebody reads it"


@pytest.fixture
def host() -> Iterator[str]:
    """An address on this machine; in the end nobody may have called there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/bait.bin"
        with pytest.raises(BlockingIOError):
            server.accept()


SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
CORNERS = np.array([0, 1, 2, 0, 2, 3], np.uint16)
BYTES = SQUARE.tobytes() + CORNERS.tobytes()


def gltf(uri: str | None = None, **changes: Any) -> bytes:
    """A square as glTF, with its buffer at ``uri`` (none: inside)."""
    inside = "data:application/octet-stream;base64," + base64.b64encode(BYTES).decode()
    document = {
        "asset": {"version": "2.0"},
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 4},
            {"bufferView": 1, "componentType": 5123, "type": "SCALAR", "count": 6},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 12},
        ],
        "buffers": [{"byteLength": 60, "uri": uri or inside}],
    }
    return json.dumps(document | changes).encode()


def places(bait: Path, host: str) -> list[str]:
    """The ways to name the bait from a file in the same folder."""
    return [
        *(bait.name, f"./{bait.name}", f"../{bait.parent.name}/{bait.name}", str(bait)),
        *(bait.as_uri(), f"file:{bait}", host, host.replace("http:", "")),
    ]


async def read(ingest: MeshIngest, path: Path, data: bytes, hint: str | None = None) -> int:
    """How many faces the mesh has."""
    await asyncio.to_thread(path.write_bytes, data)
    return (await ingest.read(path, hint=hint)).faces


async def test_buffers_elsewhere_are_refused(
    ingest: MeshIngest, tmp_path: Path, bait: Path, host: str
) -> None:
    path = tmp_path / "upload"
    assert await read(ingest, path, gltf()) == 2
    for uri in places(bait, host):
        with pytest.raises(MalformedMesh, match="never followed"):
            await read(ingest, path, gltf(uri))


async def test_textures_elsewhere_are_ignored(
    ingest: MeshIngest, tmp_path: Path, bait: Path, host: str
) -> None:
    path = tmp_path / "upload"
    images = [{"uri": uri} for uri in places(bait, host)]
    textures = [{"source": index} for index in range(len(images))]
    materials = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    data = gltf(images=images, textures=textures, materials=materials)
    assert await read(ingest, path, data) == 2


async def test_materials_elsewhere_are_ignored(
    ingest: MeshIngest, tmp_path: Path, bait: Path, host: str
) -> None:
    path = tmp_path / "upload"
    lines = [
        f"{word} {place}"
        for place in places(bait, host)
        for word in ("mtllib", "map_Kd", "usemap", "maplib", "call", "csh")
    ]
    lines += ["v 0 0 0", "v 1 0 0", "v 1 1 0", "f 1 2 3"]
    assert await read(ingest, path, "\n".join(lines).encode(), "mesh.obj") == 1
    header = "\n".join(f"comment TextureFile {place}" for place in places(bait, host))
    ply = f"ply\nformat ascii 1.0\n{header}\nelement vertex 3\nproperty float x\nproperty float y\n"
    ply += "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    ply += "0 0 0\n1 0 0\n1 1 0\n3 0 1 2\n"
    assert await read(ingest, path, ply.encode(), "mesh.ply") == 1


async def test_documents_that_could_refer_elsewhere_are_no_meshes(
    ingest: MeshIngest, tmp_path: Path, bait: Path, host: str
) -> None:
    entities = "".join(
        f'<!ENTITY e{i} SYSTEM "{place}">' for i, place in enumerate(places(bait, host))
    )
    xml = f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><COLLADA>&e0;&e4;&e6;</COLLADA>'
    for hint in ("mesh.dae", "mesh.3mf", "mesh.obj", "mesh.glb", None):
        with pytest.raises(MeshError):
            await read(ingest, tmp_path / "upload", xml.encode(), hint)


async def test_a_name_is_never_a_path(
    ingest: MeshIngest, tmp_path: Path, bait: Path, host: str
) -> None:
    for place in places(bait, host):
        assert await read(ingest, tmp_path / "upload", gltf(), place) == 2


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("3D/3dmodel.model", data)
    return buffer.getvalue()


async def test_compressed_files_are_not_unpacked(ingest: MeshIngest, tmp_path: Path) -> None:
    zeros = bytes(50 * 2**20)
    for data in (zipped(zeros), gzip.compress(zeros)):
        assert len(data) < 2**18
        for hint in ("mesh.3mf", "mesh.stl", "mesh.glb", None):
            with pytest.raises((UnsupportedMeshFormat, MalformedMesh)):
                await read(ingest, tmp_path / "upload", data, hint)


async def test_declared_sizes_cost_nothing(ingest: MeshIngest, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    await read(ingest, path, gltf())
    reader = process_id(ingest)
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        npy, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 3)}
    )
    ply = "ply\nformat binary_little_endian 1.0\nelement vertex {0}\nproperty float x\n"
    ply += "property float y\nproperty float z\nelement face {0}\n"
    ply += "property list uchar int vertex_indices\nend_header\n"
    many = {"componentType": 5126, "type": "VEC3", "count": 2**40}
    bombs = [
        (bytes(80) + struct.pack("<I", 2**32 - 1), "a.stl"),
        (ply.format(4 * 10**9).encode(), "a.ply"),
        (f"OFF\n{10**12} {10**12} 0\n".encode(), "a.off"),
        (npy.getvalue(), "a.npy"),
        (gltf(accessors=[many, many]), "a.gltf"),
        (gltf(accessors=[many | {"count": 10**5}, many | {"count": 10**5}]), "a.gltf"),
    ]
    for data, hint in bombs:
        with pytest.raises(MeshError):
            await read(ingest, path, data, hint)
    assert process_id(ingest) == reader


async def test_indices_far_away_are_refused(ingest: MeshIngest, tmp_path: Path) -> None:
    data = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 2147483647\n"
    with pytest.raises((InvalidMeshIndex, MalformedMesh)):
        await read(ingest, tmp_path / "upload", data, "mesh.obj")


def draco_bomb(side: int) -> bytes:
    """A flat grid, which Draco shrinks to a small part of its size, as glb."""
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3).astype(np.float32)
    first = (x + side * y)[:-1, :-1].ravel()
    faces = np.stack([first, first + 1, first + side], axis=1)
    packed = DracoPy.encode(points, faces.astype(np.uint32), quantization_bits=14)
    extension = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    uri = "data:application/octet-stream;base64," + base64.b64encode(packed).decode()
    return gltf(
        uri,
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "extensions": extension}]}],
        bufferViews=[{"buffer": 0, "byteLength": len(packed)}],
        buffers=[{"byteLength": len(packed), "uri": uri}],
    )


async def test_a_mesh_that_unpacks_to_too_many_faces(ingest: MeshIngest, tmp_path: Path) -> None:
    with pytest.raises(MeshTooLarge, match="faces; at most 100,000 are accepted"):
        await read(ingest, tmp_path / "upload", draco_bomb(400))


async def test_a_mesh_that_unpacks_to_too_much_memory(tmp_path: Path) -> None:
    limits = replace(LIMITS, max_faces=2_000_000, memory_bytes=64 * 2**20)
    async with MeshIngest(limits, processes=1) as ingest:
        with pytest.raises((MeshTooLarge, MalformedMesh)):
            await read(ingest, tmp_path / "upload", draco_bomb(400))
        assert await read(ingest, tmp_path / "upload", gltf()) == 2


async def test_nested_documents_end_in_a_refusal(ingest: MeshIngest, tmp_path: Path) -> None:
    for data in (b"[" * 10**6, b'{"a":' * 10**6):
        with pytest.raises(MeshError):
            await read(ingest, tmp_path / "upload", data, "mesh.gltf")
    assert await read(ingest, tmp_path / "upload", gltf()) == 2


async def test_a_reader_that_died_of_nothing_costs_no_caller(
    ingest: MeshIngest, tmp_path: Path
) -> None:
    await read(ingest, tmp_path / "upload", gltf())
    process = ingest._sandboxes[0]._process
    assert process is not None
    process.kill()
    await process.wait()
    assert await read(ingest, tmp_path / "upload", gltf()) == 2


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, MalformedMesh),  # by the kernel, for its memory
        (signal.SIGSEGV, MalformedMesh),
        (signal.SIGXCPU, PreprocessingTimeout),
    ],
)
async def test_a_reader_that_dies_of_its_mesh_is_replaced(
    ingest: MeshIngest, tmp_path: Path, number: signal.Signals, error: type[MeshError]
) -> None:
    await read(ingest, tmp_path / "upload", gltf())
    reader = process_id(ingest)
    os.kill(reader, signal.SIGSTOP)
    call = asyncio.create_task(read(ingest, tmp_path / "upload", gltf()))
    await asyncio.sleep(0.05)
    os.kill(reader, number)
    os.kill(reader, signal.SIGCONT)
    with pytest.raises(error):
        await call
    assert await read(ingest, tmp_path / "upload", gltf()) == 2
    assert process_id(ingest) != reader


async def test_other_readers_go_on_when_all_of_one_batch_die(tmp_path: Path) -> None:
    path = tmp_path / "ball"
    path.write_bytes(trimesh.creation.icosphere(subdivisions=2).export(file_type="stl"))
    async with MeshIngest(LIMITS, processes=2) as ingest:
        await asyncio.gather(*(ingest.read(path) for _ in range(4)))
        readers = [sandbox._process for sandbox in ingest._sandboxes]
        for process in readers:
            assert process is not None
            process.kill()
            await process.wait()
        meshes = await asyncio.gather(*(ingest.read(path) for _ in range(4)))
        assert [mesh.faces for mesh in meshes] == [320] * 4
