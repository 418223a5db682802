"""What ``Accept`` makes of an answer."""

from __future__ import annotations

import io
import json
import zipfile

import httpx
import numpy as np
import pytest
import trimesh

from model.latentfile import LatentFile
from tests.service.gateway.fakeworker import FakeWorker, drawn_levels
from tests.service.gateway.wire import code_of, latents_bytes, sphere_bytes


async def test_the_mesh_itself_when_accepted(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    for media_type, file_type in [
        ("model/gltf-binary", "glb"),
        ("model/obj", "obj"),
        ("model/stl", "stl"),
        ("application/ply", "ply"),
    ]:
        response = await client.post(
            "/generate?category=table&seed=9", headers={"Accept": media_type}
        )
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("model/")
        assert response.headers["x-lagem-seed"] == "9"
        shape = (await client.get(f"/shapes/{response.headers['x-lagem-shape']}")).json()
        assert shape["mesh"]["format"] == file_type
        assert (await client.get(f"/jobs/{response.headers['x-lagem-job']}")).status_code == 200
        mesh = trimesh.load(io.BytesIO(response.content), file_type=file_type, force="mesh")
        assert len(mesh.faces) == 80


async def test_a_zip_holds_everything(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post(
        "/generate?category=table&n=2&seed=1", headers={"Accept": "application/zip"}
    )
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    job = json.loads(archive.read("job.json"))
    first, second = (shape["id"] for shape in job["shapes"])
    assert set(archive.namelist()) == {
        "job.json",
        *(
            f"{shape}/{name}"
            for shape in (first, second)
            for name in ("mesh.glb", "latents.safetensors")
        ),
    }
    latents = LatentFile.from_safetensors(archive.read(f"{second}/latents.safetensors"))
    np.testing.assert_array_equal(latents.levels[3], drawn_levels(2)[3])


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("text/html", "", (406, "not_acceptable")),
        ("model/obj", "n=2", (422, "invalid_parameter")),
        ("model/obj", "format=ply", (422, "invalid_parameter")),
    ],
)
async def test_what_cannot_be_answered_is_refused_before_any_work(
    client: httpx.AsyncClient,
    worker: FakeWorker,
    accept: str,
    query: str,
    expected: tuple[int, str],
) -> None:
    response = await client.post(f"/generate?{query}", headers={"Accept": accept})
    assert code_of(response) == expected
    assert worker.seen == []


@pytest.mark.parametrize("accept", ["model/gltf-binary", "application/zip"])
@pytest.mark.parametrize("path", ["/encode", "/resample?seed=1", "/decode"])
async def test_every_operation_answers_with_a_mesh_or_everything(
    client: httpx.AsyncClient, worker: FakeWorker, path: str, accept: str
) -> None:
    content = sphere_bytes() if path == "/encode" else latents_bytes()
    response = await client.post(path, content=content, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == accept
    if accept == "application/zip":
        names = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
        assert {name.rpartition("/")[2] for name in names} == {
            *("job.json", "mesh.glb", "latents.safetensors")
        }
        return
    assert len(trimesh.load(io.BytesIO(response.content), file_type="glb", force="mesh").faces)
    assert response.headers["x-lagem-job"] == worker.seen[0].id
    shape = (await client.get(f"/shapes/{response.headers['x-lagem-shape']}")).json()
    assert response.headers.get("x-lagem-seed", "None") == str(shape["seed"])
