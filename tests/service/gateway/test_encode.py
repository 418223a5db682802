"""``POST /encode``: meshes as they are sent, and those that are refused."""

from __future__ import annotations

import gzip

import httpx
import numpy as np
import pytest
import trimesh

from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, latents_bytes, sphere_bytes


@pytest.mark.parametrize("file_type", ["glb", "obj", "stl", "ply", "off"])
async def test_encode_takes_raw_bytes(
    client: httpx.AsyncClient, worker: FakeWorker, file_type: str
) -> None:
    response = await client.post("/encode", content=sphere_bytes(file_type))
    assert response.status_code == 200, response.text
    (shape,) = response.json()["shapes"]
    np.testing.assert_allclose(shape["normalization"]["center"], (3, 4, 5), atol=1e-6)
    assert shape["normalization"]["scale"] == pytest.approx(0.5, rel=1e-3)
    assert shape["metrics"] == {"chamfer": 0.01}
    assert response.json()["input"]["source"]["faces"] == 320
    assert response.json()["timings_ms"]["preprocess"] > 0
    lower, upper = shape["mesh"]["bounds"]
    np.testing.assert_allclose(np.add(lower, upper) / 2, (3, 4, 5), atol=0.1)


async def test_encode_takes_a_form(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    files = {"file": ("../../ball.obj", sphere_bytes("obj"), "model/obj")}
    response = await client.post("/encode?resolution=32", files=files)
    assert response.status_code == 200, response.text
    assert response.json()["input"]["source"]["filename"] == "ball.obj"
    assert response.json()["input"]["resolution"] == 32


@pytest.mark.parametrize(
    ("files", "data", "expected"),
    [
        ({"mesh": ("a.obj", b"x")}, {}, (422, "unknown_parameter")),
        ({"file": ("a.obj", b"x")}, {"resolution": "64"}, (422, "unknown_parameter")),
        ({"file": (None, b"x")}, {}, (422, "invalid_parameter")),
    ],
)
async def test_wrong_forms(
    client: httpx.AsyncClient,
    worker: FakeWorker,
    files: dict,
    data: dict,
    expected: tuple[int, str],
) -> None:
    assert code_of(await client.post("/encode", files=files, data=data)) == expected


@pytest.mark.parametrize("charset", ["undefined", "unicode_escape", "utf-7", "punycode", "utf-16"])
async def test_a_form_in_a_charset_of_its_own(
    client: httpx.AsyncClient, worker: FakeWorker, charset: str
) -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="\\ud800 +2AA-"\r\n\r\n'
    content_type = f'multipart/form-data; boundary=B; charset="{charset}"'
    response = await client.post(
        "/encode",
        content=part + sphere_bytes("stl") + b"\r\n--B--\r\n",
        headers={"Content-Type": content_type},
    )
    assert code_of(response) == (400, "malformed_request")
    assert charset in response.json()["detail"]
    assert response.json()["param"] == "Content-Type"


async def test_a_broken_form(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post(
        "/encode", content=b"nonsense", headers={"Content-Type": "multipart/form-data"}
    )
    assert code_of(response) == (400, "malformed_request")


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_a_body(
    client: httpx.AsyncClient, worker: FakeWorker, chunked: bool
) -> None:
    async def chunks():
        for _ in range(20):
            yield bytes(2**16)

    response = await client.post("/encode", content=chunks() if chunked else bytes(2**20 + 1))
    assert code_of(response) == (413, "mesh_too_large")


async def test_too_many_faces(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=6)
    response = await client.post("/encode", content=mesh.export(file_type="glb"))
    assert code_of(response) == (413, "mesh_too_large")


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x-unknown"])
@pytest.mark.parametrize("path", ["/encode", "/decode", "/resample?keep_level=3"])
async def test_a_compressed_body_is_refused_by_its_coding(
    client: httpx.AsyncClient, worker: FakeWorker, path: str, coding: str
) -> None:
    data = sphere_bytes() if path == "/encode" else latents_bytes()
    response = await client.post(
        path, content=gzip.compress(data), headers={"Content-Encoding": coding}
    )
    assert code_of(response) == (415, "unsupported_mesh_format")
    assert coding in response.json()["detail"]
    assert response.json()["param"] == "Content-Encoding"
    assert response.headers["accept-encoding"] == "identity"
    assert worker.seen == []


async def test_the_identity_coding_is_none(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post(
        "/encode", content=sphere_bytes(), headers={"Content-Encoding": "Identity"}
    )
    assert response.status_code == 200, response.text
    assert "accept-encoding" not in response.headers
