"""What is true of every request: problems, request ids, probes, metrics, documentation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from service.errors import ERROR_SPECS
from service.gateway.app import create_app
from service.settings import GatewaySettings
from tests.service.gateway.conftest import gateway_of_this_loop
from tests.service.gateway.fakeworker import MODEL, FakeWorker


async def test_models_and_categories(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    (model,) = (await client.get("/models")).json()["models"]
    assert model == MODEL
    assert (await client.get("/categories")).json() == {
        "categories": [{"name": "table"}, {"name": "chair"}]
    }


async def test_probes(client: httpx.AsyncClient, redis: object) -> None:
    assert (await client.get("/livez")).json() == {"status": "ok"}
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "no_worker")
    assert "retry-after" in response.headers


async def test_ready_with_a_worker(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    assert (await client.get("/readyz")).status_code == 200


async def test_livez_answers_at_once_while_work_goes_on(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    waiting = [asyncio.create_task(client.post("/generate")) for _ in range(4)]
    await asyncio.wait_for(worker.running.wait(), 30)
    for _ in range(20):
        assert (await client.get("/livez")).status_code == 200
    assert not any(call.done() for call in waiting)
    worker.open.set()
    assert [response.status_code for response in await asyncio.gather(*waiting)] == [200] * 4


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v2/models", 404, "not_found"),
        ("GET", "/encode", 405, "method_not_allowed"),
        ("PUT", "/jobs/job_1", 405, "method_not_allowed"),
        ("GET", "/livez?verbose=1", 422, "unknown_parameter"),
    ],
)
async def test_the_frameworks_own_errors_are_problems(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:lagem:problem:{code}"
    assert problem["title"] == ERROR_SPECS[problem["code"]].title
    assert problem["instance"] == path.partition("?")[0]
    assert problem["retryable"] is False


@pytest.mark.parametrize("path", ["/livez?{}=1", "/{}", "/jobs?order={}"])
async def test_problems_do_not_quote_at_length(client: httpx.AsyncClient, path: str) -> None:
    problem = (await client.get(path.format("a" * 20_000))).json()
    assert problem["status"] in (404, 422)
    assert len(problem["detail"]) < 2100
    assert len(problem["param"] or "") < 2100


async def test_wrong_methods_tell_the_right_ones(client: httpx.AsyncClient) -> None:
    response = await client.get("/encode")
    assert response.headers["allow"] == "POST"
    assert "POST" in response.json()["suggestion"]


async def test_request_ids(client: httpx.AsyncClient) -> None:
    own = await client.get("/livez", headers={"X-Request-Id": "trace-42"})
    assert own.headers["x-request-id"] == "trace-42"
    forged = await client.get("/livez", headers={"X-Request-Id": "a b<script>"})
    assert forged.headers["x-request-id"].startswith("req_")
    first, second = [(await client.get("/livez")).headers["x-request-id"] for _ in range(2)]
    assert first != second


async def test_metrics(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    await client.post("/generate?category=unicorn")
    await client.post("/generate?category=table")
    await client.get("/jobs/job_none")
    text = (await client.get("/metrics")).text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["lagem_jobs_submitted_total", "generate"] >= 1
    assert samples["lagem_jobs_rejected_total", "invalid_parameter"] >= 1
    assert samples["lagem_http_requests_total", "/generate", "200", "POST"] >= 1
    assert samples["lagem_http_requests_total", "/jobs/{job_id}", "404", "GET"] >= 1
    assert not any("job_none" in part for key in samples for part in key)


async def test_the_document_describes_every_route(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        *("/encode", "/generate", "/resample", "/decode"),
        *("/shapes/{shape_id}", "/shapes/{shape_id}/mesh", "/shapes/{shape_id}/latents"),
        *("/shapes/{shape_id}/tree", "/jobs", "/jobs/{job_id}", "/categories", "/models"),
        *("/jobs/{job_id}/events", "/jobs/{job_id}/artifacts/{sample}-{resolution}.glb"),
        *("/livez", "/readyz", "/metrics"),
    }
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    assert set(schemas["Problem"]["required"]) >= {"type", "title", "status", "detail", "code"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"], path
            assert operation["description"]
    names = {p["name"] for p in document["paths"]["/generate"]["post"]["parameters"]}
    assert {"category", "seed", "Idempotency-Key", "Prefer"} <= names


async def test_references_of_the_document_resolve(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if "$ref" in node else set()
            return own.union(*(references(value) for value in node.values()))
        if isinstance(node, list):
            return set().union(*(references(item) for item in node))
        return set()

    assert {name.rsplit("/", 1)[1] for name in references(document)} <= schemas.keys()


async def test_the_documentation_is_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs")).status_code == 200


async def test_redis_away(lone_settings: GatewaySettings, tmp_path: Path) -> None:
    nobody = {"redis_url": f"unix://{tmp_path}/nobody.sock"}
    settings = lone_settings.model_copy(update=nobody)
    async with gateway_of_this_loop(settings, asyncio.Event()) as client:
        for method, path in [("POST", "/generate"), ("GET", "/jobs"), ("GET", "/readyz")]:
            response = await client.request(method, path)
            assert (response.status_code, response.json()["code"]) == (503, "queue_unavailable")
            assert int(response.headers["retry-after"]) > 0
        assert (await client.get("/livez")).status_code == 200


async def test_waiting_calls_answer_when_the_process_is_to_end(
    lone_settings: GatewaySettings, worker: FakeWorker
) -> None:
    draining = asyncio.Event()
    worker.open.clear()
    async with gateway_of_this_loop(lone_settings, draining) as client:
        call = asyncio.create_task(client.post("/generate"))
        await asyncio.wait_for(worker.running.wait(), 30)
        draining.set()
        response = await asyncio.wait_for(call, 5)  # half the wait that it would have
    assert response.status_code == 202
    assert response.json()["state"] == "running"


async def test_a_defect_is_a_problem_too(settings: GatewaySettings) -> None:
    app = create_app(settings, asyncio.Event())

    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError("secret detail")

    transport = httpx.ASGITransport(app)
    with capture_logs() as logs:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            response = await client.get("/defect")
    assert logs[0]["exc_info"]
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert "secret" not in response.text


def test_an_app_needs_a_queue(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="redis_url"):
        create_app(GatewaySettings(data_dir=tmp_path), asyncio.Event())
