"""Shapes over HTTP: record, mesh, latents, lineage."""

from __future__ import annotations

import hashlib
import io
import threading
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import trimesh
from starlette.requests import Request
from starlette.responses import Response

from model.latentfile import LatentFile
from service.gateway.routes.shapes import _revalidated
from service.jobs import Operation
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref
from tests.service.gateway.fakeworker import FakeWorker, drawn_levels


async def shape_of(
    client: httpx.AsyncClient, path: str = "/generate?category=table&seed=7"
) -> dict:
    response = await client.post(path)
    assert response.status_code == 200, response.text
    return response.json()["shapes"][0]


async def test_a_shape_tells_where_it_comes_from(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = await shape_of(client)
    shape = (await client.get(f"/shapes/{made['id']}")).json()
    assert shape.items() >= made.items()
    assert (shape["operation"], shape["model"]["name"]) == ("generate", "sphere")
    assert shape["created_at"] < shape["expires_at"]
    for link in ("self", "mesh", "latents", "tree"):
        assert (await client.get(shape["links"][link])).status_code == 200


@pytest.mark.parametrize("part", ["", "/mesh", "/latents", "/tree"])
async def test_unknown_shapes(client: httpx.AsyncClient, worker: FakeWorker, part: str) -> None:
    response = await client.get(f"/shapes/shp_none{part}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_the_shapes_own_mesh_needs_no_job(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = await shape_of(client, "/generate?resolution=32&target_faces=60&format=ply")
    jobs = len(worker.seen)
    response = await client.get(f"/shapes/{made['id']}/mesh?format=ply")
    assert response.status_code == 200
    assert response.headers["content-type"] == "model/ply"
    assert response.headers["content-disposition"] == f'attachment; filename="{made["id"]}.ply"'
    assert len(worker.seen) == jobs
    assert len(response.content) == made["mesh"]["bytes"]


async def test_an_exhaustive_mesh_is_another_one_with_a_name_of_its_own(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = await shape_of(client)
    path = f"/shapes/{made['id']}/mesh"
    for query, jobs in [
        ("", 1),
        ("?exhaustive=false", 1),
        ("?exhaustive=true", 2),
        ("?exhaustive=true&resolution=64", 2),
        ("?exhaustive=true&resolution=32", 3),
    ]:
        assert (await client.get(path + query)).status_code == 200
        assert len(worker.seen) == jobs
    assert [job.params["exhaustive"] for job in worker.seen] == [False, True, True]
    refused = await client.get(f"{path}?exhaustive=perhaps")
    assert (refused.status_code, refused.json()["param"]) == (422, "exhaustive")


async def test_the_own_mesh_of_an_exhaustive_job_is_exhaustive(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = await shape_of(client, "/generate?exhaustive=true")
    path = f"/shapes/{made['id']}/mesh"
    assert (await client.get(path)).status_code == 200
    assert len(worker.seen) == 1
    assert (await client.get(f"{path}?exhaustive=false")).status_code == 200
    assert [job.params["exhaustive"] for job in worker.seen] == [True, False]


async def test_any_other_mesh_is_decoded_on_demand(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = await shape_of(client)
    path = f"/shapes/{made['id']}/mesh?format=stl&resolution=256"
    first = await client.get(path)
    assert first.status_code == 200
    assert len(trimesh.load(io.BytesIO(first.content), file_type="stl").faces) == 80
    decode = worker.seen[-1]
    assert decode.operation is Operation.DECODE
    assert (decode.params["shape"], decode.params["resolution"]) == (made["id"], 256)
    assert decode.params["parents"] == []
    jobs = len(worker.seen)
    assert (await client.get(path)).content == first.content
    assert len(worker.seen) == jobs


async def test_a_mesh_that_takes_longer(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    made = await shape_of(client)
    worker.open.clear()
    path = f"/shapes/{made['id']}/mesh?format=obj"
    response = await client.get(path, headers={"Prefer": "respond-async"})
    assert response.status_code == 202
    assert response.json()["operation"] == "decode"
    worker.open.set()
    assert (await client.get(path)).status_code == 200


async def test_space_and_resolution_make_another_mesh(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=1, radius=2.0)
    mesh.apply_translation((10, 0, 0))
    encoded = await client.post("/encode", content=mesh.export(file_type="stl"))
    shape_id = encoded.json()["shapes"][0]["id"]
    for query, center in [("", 10), ("?space=normalized", 0), ("?space=input", 10)]:
        response = await client.get(f"/shapes/{shape_id}/mesh{query}")
        found = trimesh.load(io.BytesIO(response.content), file_type="glb", force="mesh")
        np.testing.assert_allclose(found.bounds.mean(axis=0), (center, 0, 0), atol=1e-4)


async def test_meshes_are_revalidated(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    path = f"/shapes/{(await shape_of(client))['id']}/mesh"
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_tags_are_made_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def sha256(data: bytes) -> object:
        threads.append(threading.current_thread())
        return hashlib.sha256(data)

    monkeypatch.setattr("service.gateway.etag.hashlib", SimpleNamespace(sha256=sha256))
    request = Request({"type": "http", "headers": []})
    response = await _revalidated(request, Response(b"a mesh"))
    assert response.headers["etag"] == f'"{hashlib.sha256(b"a mesh").hexdigest()[:32]}"'
    (thread,) = threads
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("container", ["safetensors", "npz"])
async def test_latents_come_with_their_provenance(
    client: httpx.AsyncClient, worker: FakeWorker, container: str
) -> None:
    made = await shape_of(client)
    response = await client.get(f"/shapes/{made['id']}/latents?format={container}")
    latents = LatentFile.from_bytes(response.content)
    for level, vectors in drawn_levels(7).items():
        np.testing.assert_array_equal(latents.levels[level], vectors)
    assert latents.metadata["shape"] == made["id"]
    assert latents.metadata["seed"] == "7"
    assert response.headers["content-disposition"].endswith(f'.{container}"')
    tag = {"If-None-Match": response.headers["etag"]}
    again = await client.get(f"/shapes/{made['id']}/latents?format={container}", headers=tag)
    assert again.status_code == 304


async def test_expired_latents(
    client: httpx.AsyncClient, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    made = await shape_of(client)
    await blobs.delete(latents_ref(made["id"]))
    for call in (
        client.get(f"/shapes/{made['id']}/latents"),
        client.post(f"/decode?shape={made['id']}"),
        client.post(f"/resample?shape={made['id']}"),
    ):
        response = await call
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert "expired" in response.json()["detail"]


async def test_lineage(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    root = await shape_of(client)
    first, second = (await client.post(f"/resample?shape={root['id']}&n=2&keep_level=3")).json()[
        "shapes"
    ]
    leaf = await shape_of(client, f"/resample?shape={first['id']}&keep_level=2")
    tree = (await client.get(f"/shapes/{first['id']}/tree")).json()
    assert (tree["parents"], tree["children"]) == ([root["id"]], [leaf["id"]])
    nodes = {node["id"]: node for node in tree["nodes"]}
    assert nodes.keys() == {first["id"], root["id"], leaf["id"]}
    assert set(nodes[root["id"]]["children"]) == {first["id"], second["id"]}
    assert nodes[leaf["id"]]["operation"] == "resample"
    assert not tree["truncated"]


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("", "model/obj", "model/obj"),
        ("", "model/stl, model/ply;q=0.9", "model/stl"),
        ("", "model/gltf-binary;q=0.1, application/x-ply", "model/ply"),
        ("", "application/json, model/obj;q=0.5", "model/obj"),
        ("", "model/*", "model/gltf-binary"),
        ("", "*/*", "model/gltf-binary"),
        ("", BROWSER, "model/gltf-binary"),
        ("?format=ply", "model/obj", "model/ply"),
        ("?format=glb", "text/html", "model/gltf-binary"),
    ],
)
async def test_accept_chooses_the_format_where_no_parameter_does(
    client: httpx.AsyncClient, worker: FakeWorker, query: str, accept: str, media_type: str
) -> None:
    path = f"/shapes/{(await shape_of(client))['id']}/mesh{query}"
    response = await client.get(path, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == media_type
    assert "Accept" in response.headers["vary"]
    kind = response.headers["content-disposition"].rpartition(".")[2].strip('"')
    assert len(trimesh.load(io.BytesIO(response.content), file_type=kind, force="mesh").faces) == 80


@pytest.mark.parametrize("accept", ["text/html", "application/json", "model/fbx", "model/obj;q=0"])
async def test_a_format_that_no_mesh_has_is_refused_before_any_work(
    client: httpx.AsyncClient, worker: FakeWorker, accept: str
) -> None:
    made = await shape_of(client)
    path = f"/shapes/{made['id']}/mesh?resolution=32"
    response = await client.get(path, headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert response.json()["param"] == "Accept"
    for offered in ("model/gltf-binary", "model/obj", "model/ply", "model/stl"):
        assert offered in response.json()["suggestion"]
    assert len(worker.seen) == 1
