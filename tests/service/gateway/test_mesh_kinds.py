"""What ``POST /encode`` takes for a mesh or a cloud, over the wire."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest
import trimesh

from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import NAN_OBJ, code_of, sphere_bytes


async def encoded(client: httpx.AsyncClient, content: bytes, **headers: str) -> dict:
    response = await client.post("/encode", content=content, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def exported(mesh: trimesh.Trimesh | trimesh.Scene, file_type: str, **options: object) -> bytes:
    data = mesh.export(file_type=file_type, **options)
    return data.encode() if isinstance(data, str) else data


def cloud(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3)).astype(np.float32)


def npy(points: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, points)
    return buffer.getvalue()


def ply(points: np.ndarray) -> bytes:
    head = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    return (head + "".join(f"{x} {y} {z}\n" for x, y, z in points)).encode()


def self_contained_gltf(uri: str | None = None) -> bytes:
    """A sphere whose buffer is a data URI, or is said to be elsewhere."""
    files = trimesh.Scene(trimesh.creation.icosphere(subdivisions=2)).export(
        file_type="gltf", merge_buffers=True
    )
    document = json.loads(files["model.gltf"])
    (buffer,) = document["buffers"]
    data = base64.b64encode(files[buffer["uri"]]).decode()
    buffer["uri"] = f"data:application/octet-stream;base64,{data}" if uri is None else uri
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("media_type", "file_type"),
    [
        ("model/gltf-binary", "glb"),
        ("model/obj", "obj"),
        ("model/stl", "stl"),
        ("application/octet-stream", "ply"),
        ("model/stl", "obj"),
        ("text/plain", "glb"),
    ],
)
async def test_the_bytes_decide_whatever_type_is_declared(
    client: httpx.AsyncClient, worker: FakeWorker, media_type: str, file_type: str
) -> None:
    job = await encoded(client, sphere_bytes(file_type), **{"Content-Type": media_type})
    assert job["input"]["source"]["faces"] == 320


async def test_a_name_as_parameter(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post(
        "/encode?filename=ball.obj",
        content=sphere_bytes("obj"),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["input"]["source"]["filename"] == "ball.obj"


@pytest.mark.parametrize("file_type", ["stl", "stl_ascii"])
async def test_both_kinds_of_stl(
    client: httpx.AsyncClient, worker: FakeWorker, file_type: str
) -> None:
    data = exported(trimesh.creation.box(), file_type)
    assert (await encoded(client, data))["input"]["source"]["faces"] == 12


async def test_a_self_contained_gltf(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    job = await encoded(client, self_contained_gltf())
    assert job["input"]["source"]["faces"] == 320


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "http://127.0.0.1:9/a.bin", "../a.bin", "buffer.bin"]
)
async def test_buffers_elsewhere_are_refused(
    client: httpx.AsyncClient, worker: FakeWorker, uri: str
) -> None:
    response = await client.post("/encode", content=self_contained_gltf(uri))
    assert code_of(response) == (422, "malformed_mesh")
    assert worker.seen == []


async def test_material_files_are_not_followed(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    data = b"mtllib ../../etc/passwd\nusemtl none\n" + exported(trimesh.creation.box(), "obj")
    assert (await encoded(client, data))["input"]["source"]["faces"] == 12


async def test_scenes_are_flattened_with_their_transforms(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    scene = trimesh.Scene()
    box = trimesh.creation.box((1, 1, 1))
    for x in (-4.0, 6.0):
        scene.add_geometry(box, transform=trimesh.transformations.translation_matrix((x, 0, 0)))
    source = (await encoded(client, exported(scene, "glb")))["input"]["source"]
    assert source["faces"] == 24
    np.testing.assert_allclose(source["bounds"], [(-4.5, -0.5, -0.5), (6.5, 0.5, 0.5)], atol=1e-5)


def open_mesh() -> trimesh.Trimesh:
    box = trimesh.creation.box()
    box.update_faces(np.arange(12) > 1)
    return box


def fan() -> trimesh.Trimesh:
    """Three faces at one edge."""
    vertices = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0), (-1, -1, 0)]
    return trimesh.Trimesh(vertices, [(0, 1, 2), (0, 1, 3), (0, 1, 4)], process=False)


def two_parts() -> trimesh.Trimesh:
    other = trimesh.creation.box()
    other.apply_translation((5, 0, 0))
    return trimesh.util.concatenate([trimesh.creation.box(), other])


@pytest.mark.parametrize("make", [open_mesh, fan, two_parts])
async def test_meshes_need_not_bound_one_solid(
    client: httpx.AsyncClient, worker: FakeWorker, make: Callable[[], trimesh.Trimesh]
) -> None:
    mesh = make()
    job = await encoded(client, exported(mesh, "ply"))
    assert job["input"]["source"]["faces"] == len(mesh.faces)


@pytest.mark.parametrize("write", [npy, ply])
async def test_point_clouds(
    client: httpx.AsyncClient, worker: FakeWorker, write: Callable[[np.ndarray], bytes]
) -> None:
    source = (await encoded(client, write(cloud(512))))["input"]["source"]
    assert (source["vertices"], source["faces"]) == (512, 0)
    response = await client.post("/encode", content=write(cloud(511)))
    assert code_of(response) == (422, "point_cloud_too_small")


NO_FACES = b"OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (400, "malformed_request")),
        (b"just some text\n", (415, "unsupported_mesh_format")),
        (b"PK\x03\x04zip", (415, "unsupported_mesh_format")),
        (sphere_bytes()[:-100], (422, "malformed_mesh")),
        (NAN_OBJ, (422, "non_finite_mesh")),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", (422, "invalid_mesh_index")),
        (b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", (422, "empty_mesh")),
        (NO_FACES, (422, "empty_mesh")),
        (b"v 0 0 0\nv 1 0 0\nv 0 inf 0\nf 1 2 3\n", (422, "non_finite_mesh")),
        (npy(np.full((600, 3), np.nan, np.float32)), (422, "non_finite_mesh")),
        (sphere_bytes("stl")[:-50], (422, "malformed_mesh")),
        (sphere_bytes("stl")[:1842], (422, "malformed_mesh")),
        (sphere_bytes("stl")[:200], (422, "malformed_mesh")),
        (sphere_bytes("stl")[:84], (422, "malformed_mesh")),
        (b"\xef\xbb\xbfv\n" + sphere_bytes("obj"), (422, "malformed_mesh")),
        (sphere_bytes("ply")[:-50], (422, "malformed_mesh")),
        (b"\x1f\x8b\x08\x00 gzip", (415, "unsupported_mesh_format")),
        (b"<?xml version='1.0'?><COLLADA/>", (415, "unsupported_mesh_format")),
    ],
)
async def test_what_is_no_mesh_is_told_why(
    client: httpx.AsyncClient, worker: FakeWorker, content: bytes, expected: tuple[int, str]
) -> None:
    response = await client.post("/encode", content=content)
    assert code_of(response) == expected
    assert response.json()["suggestion"]
    assert worker.seen == []


async def test_the_reconstruction_lies_over_the_upload_or_in_the_unit_sphere(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    for space, center, radius in [("input", (3, 4, 5), 2), ("normalized", (0, 0, 0), 1)]:
        response = await client.post(
            f"/encode?space={space}",
            content=sphere_bytes(),
            headers={"Accept": "model/gltf-binary"},
        )
        mesh = trimesh.load(io.BytesIO(response.content), file_type="glb", force="mesh")
        np.testing.assert_allclose(mesh.bounds.mean(axis=0), center, atol=1e-4)
        np.testing.assert_allclose(np.ptp(mesh.bounds, axis=0) / 2, radius, rtol=0.2)
