"""A gateway that asks for keys, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from service.settings import GatewaySettings
from tests.service.gateway.conftest import gateway_of_this_loop, running_gateway
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, latents_bytes, sphere_bytes

ALICE, BOB = "alice-has-a-long-key", "bob-has-a-long-key"
RATE = 6


@pytest.fixture(scope="module")
def keyed_settings(settings: GatewaySettings) -> GatewaySettings:
    """Those of the other gateway, whose worker and blobs it shares, with two keys and a rate."""
    fields = {name: getattr(settings, name) for name in settings.model_fields_set}
    return GatewaySettings(
        **fields,
        api_keys=f"{ALICE},{BOB}",
        rate=RATE,
        cors_origins="https://page.example",
    )


@pytest.fixture(scope="module")
def keyed_url(keyed_settings: GatewaySettings) -> Iterator[str]:
    with running_gateway(keyed_settings) as url:
        yield url


@pytest_asyncio.fixture
async def stranger(redis: Redis, keyed_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Has no key."""
    async with httpx.AsyncClient(base_url=keyed_url, timeout=20) as client:
        yield client


@pytest_asyncio.fixture
async def alice(redis: Redis, keyed_url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {ALICE}"}
    async with httpx.AsyncClient(base_url=keyed_url, timeout=20, headers=headers) as client:
        yield client


@pytest_asyncio.fixture
async def bob(redis: Redis, keyed_url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-API-Key": BOB}
    async with httpx.AsyncClient(base_url=keyed_url, timeout=20, headers=headers) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("POST", path) for path in ("/encode", "/generate", "/resample", "/decode")],
        *[("GET", path) for path in ("/jobs", "/jobs/job_1", "/jobs/job_1/events")],
        *[("GET", f"/shapes/shp_1{part}") for part in ("", "/mesh", "/latents", "/tree")],
        *[("GET", path) for path in ("/models", "/categories", "/v1/models", "/nothing")],
        ("DELETE", "/jobs/job_1"),
        ("GET", "/jobs/job_1/artifacts/0-33.glb"),
    ],
)
async def test_everything_but_probes_and_pages_needs_a_key(
    stranger: httpx.AsyncClient, method: str, path: str
) -> None:
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": f"Basic {ALICE}"}):
        response = await stranger.request(method, path, headers=headers)
        assert code_of(response) == (401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"


async def test_probes_and_pages_need_none(stranger: httpx.AsyncClient, worker: FakeWorker) -> None:
    for path in ("/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/livez"):
        assert (await stranger.get(path)).status_code == 200, path


async def test_the_document_says_how_to_send_a_key(
    stranger: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    document = (await stranger.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"].keys() == {"bearer", "apiKey"}
    assert document["security"] == [{"bearer": []}, {"apiKey": []}]
    assert document["paths"]["/livez"]["get"]["security"] == []
    assert "security" not in (await client.get("/openapi.json")).json()


async def answer_before_the_body(url: str, headers: bytes = b"") -> bytes:
    """The status line of an answer to an upload that never comes."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = b"POST /encode HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n"
    writer.write(head + headers + b"\r\n")
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return status


async def test_a_stranger_is_refused_before_the_body(redis: Redis, keyed_url: str) -> None:
    assert b" 401 " in await answer_before_the_body(keyed_url)


async def test_who_may_not_submit_is_refused_before_the_body_which_counts_nothing(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, worker: FakeWorker, keyed_url: str
) -> None:
    for _ in range(RATE):
        await alice.post("/generate?category=unicorn")
    for _ in range(2):
        told = await answer_before_the_body(keyed_url, f"X-API-Key: {ALICE}\r\n".encode())
        assert b" 429 " in told
    worker.open.clear()
    later = {"Prefer": "respond-async"}
    upload = {"content": sphere_bytes(), "headers": later | {"Idempotency-Key": "mine"}}
    job = (await bob.post("/encode", **upload)).json()
    for _ in range(4):
        await bob.post("/generate", headers=later)
    told = await answer_before_the_body(keyed_url, f"X-API-Key: {BOB}\r\n".encode())
    assert b" 429 " in told
    again = await bob.post("/encode", **upload)  # its key stands for a job that is there
    assert (again.status_code, again.json()["id"]) == (202, job["id"])
    worker.open.set()


async def test_jobs_are_their_callers_own(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    job = (await alice.post("/generate", headers={"Prefer": "respond-async"})).json()
    path = f"/jobs/{job['id']}"
    assert [each["id"] for each in (await alice.get("/jobs")).json()["jobs"]] == [job["id"]]
    assert (await bob.get("/jobs")).json()["jobs"] == []
    for call in (bob.get(path), bob.get(f"{path}/events"), bob.delete(path)):
        assert code_of(await call) == (404, "not_found")
    worker.open.set()


async def test_shapes_are_their_callers_own(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = (await alice.post("/generate?seed=7")).json()["shapes"][0]["id"]
    for part in ("", "/mesh", "/mesh?resolution=32", "/latents", "/tree"):
        assert (await alice.get(f"/shapes/{made}{part}")).status_code == 200, part
        for other in (bob, client):
            assert code_of(await other.get(f"/shapes/{made}{part}")) == (404, "not_found"), part
    mix = f"/decode?level3={made}&level2={made}&level1={made}"
    for path in (f"/resample?shape={made}", f"/decode?shape={made}", mix):
        response = await bob.post(path)
        assert code_of(response) == (404, "not_found")
        assert response.json()["detail"] == f"There is no shape {made!r}."


async def test_uploaded_latents_reveal_no_shape_of_others(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = (await alice.post("/generate?seed=7")).json()["shapes"][0]["id"]
    latents = (await alice.get(f"/shapes/{made}/latents")).content
    mine, theirs = [
        (await client.post("/resample", content=latents)).json()["shapes"][0]
        for client in (alice, bob)
    ]
    assert (mine["parents"], theirs["parents"]) == ([made], [])
    tree = (await alice.get(f"/shapes/{made}/tree")).json()
    assert tree["children"] == [mine["id"]]


async def test_idempotency_keys_are_their_callers_own(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, worker: FakeWorker
) -> None:
    headers = {"Idempotency-Key": "k"}
    first, again, other = [
        (await client.post("/generate?seed=7", headers=headers)).json()["id"]
        for client in (alice, alice, bob)
    ]
    assert first == again != other
    response = await bob.post("/generate?seed=8", headers=headers)
    assert code_of(response) == (422, "idempotency_conflict")


async def test_answers_are_for_no_shared_cache(
    alice: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    assert (await alice.get("/jobs")).headers["cache-control"] == "private"
    assert "cache-control" not in (await stranger.get("/livez")).headers


def limits_of(response: httpx.Response) -> dict[str, dict[str, str]]:
    """The items of ``RateLimit`` and their parameters."""
    items = [item.strip().split(";") for item in response.headers["ratelimit"].split(",")]
    return {name.strip('"'): dict(part.split("=") for part in parts) for name, *parts in items}


async def test_submissions_tell_the_limits(alice: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await alice.post("/generate?seed=7")
    assert response.headers["ratelimit-policy"] == (
        f'"submissions";q={RATE};w=60, "live-jobs";q=5;qu="concurrent-requests"'
    )
    limits = limits_of(response)
    assert 0 < int(limits["submissions"].pop("t")) <= 60 / RATE
    assert limits == {"submissions": {"r": str(RATE - 1)}, "live-jobs": {"r": "5"}}
    worker.open.clear()
    response = await alice.post("/generate", headers={"Prefer": "respond-async"})
    assert limits_of(response)["live-jobs"] == {"r": "4"}
    worker.open.set()


async def test_a_caller_who_is_too_fast(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, worker: FakeWorker
) -> None:
    for left in range(RATE - 1, -1, -1):
        refused = await alice.post("/generate?category=unicorn")
        assert code_of(refused) == (422, "invalid_parameter")
        assert limits_of(refused)["submissions"]["r"] == str(left)
    response = await alice.post("/generate")
    assert code_of(response) == (429, "rate_limited")
    assert response.json()["retryable"] is True
    # The standing is asked for after the refusal, and seconds are rounded up.
    assert 0 < int(limits_of(response)["submissions"]["t"]) <= int(response.headers["retry-after"])
    assert worker.seen == []
    assert (await alice.get("/jobs")).status_code == 200
    assert (await bob.post("/generate")).status_code == 200


async def test_too_fast_an_upload_is_refused_unread(
    alice: httpx.AsyncClient, worker: FakeWorker
) -> None:
    for _ in range(RATE):
        await alice.post("/generate?category=unicorn")
    for path, body in (("/encode", sphere_bytes()), ("/resample", latents_bytes())):
        assert code_of(await alice.post(path, content=body)) == (429, "rate_limited")


async def test_cached_meshes_cost_nothing_and_new_ones_do(
    alice: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = (await alice.post("/generate?seed=7")).json()["shapes"][0]["id"]
    for _ in range(RATE):
        assert (await alice.get(f"/shapes/{made}/mesh")).status_code == 200
    for resolution in range(32, 32 + RATE - 1):
        response = await alice.get(f"/shapes/{made}/mesh?resolution={resolution}")
        assert response.status_code == 200
    response = await alice.get(f"/shapes/{made}/mesh?resolution=99")
    assert code_of(response) == (429, "rate_limited")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/generate?n=0", {}, 422),
        ("/v1/generate?unknown=1", {}, 422),
        ("/generate", {"Idempotency-Key": "k" * 300}, 422),
        ("/generate", {"Accept": "text/html"}, 406),
        ("/encode", {}, 400),
        ("/encode", {}, 413),
        ("/decode?shape=shp_none", {}, 404),
    ],
)
async def test_refused_submissions_tell_the_limits(
    alice: httpx.AsyncClient, worker: FakeWorker, path: str, headers: dict[str, str], status: int
) -> None:
    content = bytes(2**20 + 1) if status == 413 else b""
    response = await alice.post(path, headers=headers, content=content)
    assert response.status_code == status, response.text
    assert limits_of(response)["live-jobs"] == {"r": "5"}


async def test_meshes_made_on_demand_tell_the_limits_and_what_is_a_replay(
    alice: httpx.AsyncClient, worker: FakeWorker
) -> None:
    made = (await alice.post("/generate?seed=7")).json()["shapes"][0]["id"]
    path = f"/shapes/{made}/mesh?resolution=32"
    worker.open.clear()
    later = {"Idempotency-Key": "mine", "Prefer": "respond-async"}
    first, again = [await alice.get(path, headers=later) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert limits_of(again)["live-jobs"] == {"r": "4"}
    worker.open.set()
    last = await alice.get(path, headers={"Idempotency-Key": "mine"})
    other = await alice.get(f"/shapes/{made}/mesh?resolution=33")
    assert (last.status_code, other.status_code) == (200, 200)
    assert int(limits_of(other)["submissions"]["r"]) < int(limits_of(again)["submissions"]["r"])
    cached = await alice.get(path)
    assert "ratelimit" not in cached.headers
    assert limits_of(await alice.get("/shapes/shp_none/mesh"))["live-jobs"] == {"r": "5"}


async def test_too_many_live_jobs(alice: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    headers = {"Prefer": "respond-async"}
    for _ in range(5):
        assert (await alice.post("/generate", headers=headers)).status_code == 202
    response = await alice.post("/generate", headers=headers)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert limits_of(response)["live-jobs"] == {"r": "0"}
    worker.open.set()


async def test_without_keys_only_live_jobs_are_limited(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    response = await client.post("/generate?seed=7")
    assert limits_of(response) == {"live-jobs": {"r": "5"}}


async def test_allowed_pages_may_call(
    stranger: httpx.AsyncClient, alice: httpx.AsyncClient
) -> None:
    origin = {"Origin": "https://page.example"}
    asked = {"Access-Control-Request-Method": "POST"}
    asked |= {"Access-Control-Request-Headers": "authorization,idempotency-key,prefer"}
    preflight = await stranger.options("/generate", headers=origin | asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://page.example"
    assert "x-request-id" in preflight.headers
    response = await alice.get("/jobs", headers=origin)
    assert response.headers["access-control-allow-origin"] == "https://page.example"
    assert "RateLimit" in response.headers["access-control-expose-headers"]
    refused = await stranger.get("/jobs", headers=origin)
    assert refused.headers["access-control-allow-origin"] == "https://page.example"
    other = await alice.get("/jobs", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


async def test_no_page_may_call_unless_allowed(
    client: httpx.AsyncClient, worker: FakeWorker, gateway_url: str
) -> None:
    for origin in ("https://page.example", "null", "http://127.0.0.1:1"):
        response = await client.post("/generate?seed=7", headers={"Origin": origin})
        assert code_of(response) == (403, "forbidden")
        assert "LAGEM_CORS_ORIGINS" in response.json()["suggestion"]
        assert "access-control-allow-origin" not in response.headers
    assert worker.seen == []
    behind_a_proxy = {"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}
    for headers in ({"Origin": gateway_url}, behind_a_proxy):
        assert (await client.post("/generate?seed=7", headers=headers)).status_code == 200


async def test_security_headers_are_on_every_answer(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    for response in (
        await client.get("/livez"),
        await client.get("/docs"),
        await client.get("/nothing"),
        await stranger.get("/jobs"),
        await client.post("/encode", content=b"x" * (2**20 + 1)),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"


async def test_keys_are_in_no_log_line(keyed_settings: GatewaySettings, tmp_path: Path) -> None:
    settings = keyed_settings.model_copy(update={"data_dir": tmp_path})
    with capture_logs() as logs:
        async with gateway_of_this_loop(settings, asyncio.Event()) as client:
            for key, status in ((ALICE, 200), ("hunter2", 401)):
                response = await client.get("/jobs", headers={"X-API-Key": key})
                assert response.status_code == status
                assert key not in response.text
    assert len(logs) >= 2
    assert "hunter2" not in str(logs)
    assert ALICE not in str(logs)


async def test_log_lines_say_who_called(keyed_settings: GatewaySettings, tmp_path: Path) -> None:
    settings = keyed_settings.model_copy(update={"data_dir": tmp_path})
    with capture_logs() as logs:
        async with gateway_of_this_loop(settings, asyncio.Event()) as client:
            await client.get("/jobs", headers={"X-API-Key": ALICE})
            await client.get("/docs")
    tenants = {line["path"]: line.get("tenant") for line in logs if line["event"] == "request"}
    assert tenants == {"/jobs": keyed_settings.api_keys[0].name, "/docs": None}
