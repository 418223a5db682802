"""Every route under ``/v1`` too."""

from __future__ import annotations

import httpx

from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated


async def test_every_route_exists_under_v1(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/v1/generate?category=chair")
    assert response.status_code == 200
    again = await client.get(f"/v1/jobs/{response.json()['id']}")
    assert again.json()["input"]["category"] == "chair"
    assert code_of(await client.get("/v1/models?n=1")) == (422, "irrelevant_parameter")


async def test_each_get_route_exists_under_v1(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    job = await generated(client)
    ids = {"{job_id}": job["id"], "{shape_id}": job["shapes"][0]["id"]}
    routes = (await client.get("/openapi.json")).json()["paths"]
    paths = [
        path for path, methods in routes.items() if "get" in methods and "{sample}" not in path
    ]
    for path in [*paths, "/docs", "/docs/start.js"]:
        for name, value in ids.items():
            path = path.replace(name, value)
        plain, under_v1 = await client.get(path), await client.get(f"/v1{path}")
        assert (plain.status_code, under_v1.status_code) == (200, 200), path
        if path != "/metrics":
            assert under_v1.content == plain.content, path


async def test_the_document_of_v1_has_its_paths_there(client: httpx.AsyncClient) -> None:
    plain = (await client.get("/openapi.json")).json()
    under_v1 = (await client.get("/v1/openapi.json")).json()
    assert under_v1.pop("servers") == [{"url": "/v1"}]
    assert under_v1 == plain
    assert "servers" not in plain


async def test_links_are_the_same_however_a_job_was_asked_for(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    response = await client.post("/v1/generate", headers={"Prefer": "respond-async"})
    assert response.headers["location"] == f"/jobs/{response.json()['id']}"
    worker.open.set()
    job = (await client.post("/v1/generate?seed=1")).json()
    links = [*job["links"].values(), job["shapes"][0]["mesh"]["url"]]
    links += [level["url"] for level in job["shapes"][0]["latents"].values()]
    shape = (await client.get(f"/v1/shapes/{job['shapes'][0]['id']}")).json()
    for link in [*links, *shape["links"].values()]:
        assert link.startswith(("/jobs/", "/shapes/"))
        for prefix in ("", "/v1"):
            assert (await client.head(prefix + link)).status_code in (200, 204), link
