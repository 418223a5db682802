"""HEAD where there is GET, and what 405 says of the methods there are."""

from __future__ import annotations

import httpx
import pytest

from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated

VARYING = {"date", "x-request-id"}


def told(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in VARYING}


async def test_head_says_what_get_says_without_a_body(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    job = await generated(client)
    shape = f"/shapes/{job['shapes'][0]['id']}"
    paths = ["/categories", "/models", "/livez", "/readyz", "/openapi.json", "/docs", "/nothing"]
    paths += ["/jobs", f"/jobs/{job['id']}", "/jobs/job_none", "/jobs?limit=0", "/docs/start.js"]
    paths += [shape, f"{shape}/mesh", f"{shape}/latents", f"{shape}/tree", "/v1/models"]
    for path in paths:
        get, head = await client.get(path), await client.head(path)
        assert head.status_code == get.status_code, path
        assert head.content == b""
        assert told(head) == told(get), path
        assert int(head.headers["content-length"]) == len(get.content) > 0


async def test_head_is_revalidated_too(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    mesh = f"/shapes/{(await generated(client))['shapes'][0]['id']}/mesh"
    tag = (await client.head(mesh)).headers["etag"]
    assert (await client.head(mesh, headers={"If-None-Match": tag})).status_code == 304


async def test_head_makes_no_mesh(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    mesh = f"/shapes/{(await generated(client))['shapes'][0]['id']}/mesh"
    head = await client.head(f"{mesh}?format=stl&resolution=200")
    assert (head.status_code, head.headers["content-type"]) == (200, "model/stl")
    assert not {"content-length", "etag"} & set(head.headers)
    assert len(worker.seen) == 1
    assert (await client.head(f"{mesh}?resolution=9")).status_code == 422
    assert (await client.head("/shapes/shp_none/mesh")).status_code == 404


async def test_head_follows_no_job(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    job = (await client.post("/generate", headers={"Prefer": "respond-async"})).json()
    head = await client.head(f"/jobs/{job['id']}/events")
    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/event-stream")
    assert head.headers["cache-control"] == "no-store"
    worker.open.set()


async def test_head_is_counted_as_head(client: httpx.AsyncClient) -> None:
    await client.head("/jobs/job_none")
    line = 'lagem_http_requests_total{method="HEAD",route="/jobs/{job_id}",status="404"}'
    assert line in (await client.get("/metrics")).text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/generate", "POST"),
        ("HEAD", "/v1/encode", "POST"),
        ("DELETE", "/jobs", "GET, HEAD"),
        ("PUT", "/jobs/job_1", "GET, HEAD, DELETE"),
        ("PATCH", "/v1/jobs/job_1", "GET, HEAD, DELETE"),
        ("POST", "/shapes/shp_1/mesh", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("OPTIONS", "/livez", "GET, HEAD"),
    ],
)
async def test_another_method_is_told_those_there_are(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        assert code_of(response) == (405, "method_not_allowed")
        assert response.json()["detail"] == f"{path} does not take {method}."
        assert response.json()["suggestion"] == f"Use {allowed}."
