"""Errors of jobs and of queues, as problems over the wire."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from service.errors import (
    ERROR_SPECS,
    DeadlineExceeded,
    EmptySurface,
    InternalError,
    OutOfMemory,
    ServiceError,
    WorkerCrashed,
)
from service.settings import GatewaySettings
from tests.service.gateway.conftest import gateway_of_this_loop
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, sphere_bytes

MEMBERS = {
    *("type", "title", "status", "detail", "instance"),
    *("code", "suggestion", "param", "retryable", "request_id", "job"),
}


@pytest.mark.parametrize("accept", ["application/json", "model/gltf-binary", "application/zip"])
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (DeadlineExceeded("Too late."), 504),
        (OutOfMemory("Too large."), 503),
        (EmptySurface("Nothing there."), 422),
        (WorkerCrashed("Three times."), 500),
        (InternalError("A defect."), 500),
    ],
)
async def test_a_failed_job_is_its_error_whatever_was_accepted(
    client: httpx.AsyncClient, worker: FakeWorker, accept: str, failure: ServiceError, status: int
) -> None:
    worker.failure = failure
    response = await client.post("/generate?category=table", headers={"Accept": accept})
    assert code_of(response) == (status, failure.code)
    problem = response.json()
    assert problem.keys() == MEMBERS
    assert problem["detail"] == failure.detail
    assert problem["job"] == worker.seen[0].id
    assert problem["instance"] == "/generate"
    assert problem["retryable"] is ERROR_SPECS[failure.code].retryable


async def test_refusals_have_all_members_too(client: httpx.AsyncClient) -> None:
    for response in (
        await client.post("/generate?colour=red"),
        await client.get("/nothing"),
        await client.put("/jobs"),
        await client.post("/generate", headers={"Accept": "text/html"}),
        await client.post("/generate"),
    ):
        code_of(response)
        assert response.json().keys() == MEMBERS


async def test_a_full_queue_and_too_many_jobs_are_problems(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    headers = {"Prefer": "respond-async"}
    for _ in range(5):
        await client.post("/generate", headers=headers)
    refused = await client.post("/generate", headers=headers)
    assert code_of(refused)[0] == 429
    assert refused.json().keys() == MEMBERS
    assert refused.json()["retryable"] is True


@pytest.mark.parametrize("accepted", ["text/html", "model/fbx", "application/pdf;q=0.5"])
async def test_what_is_not_offered_is_answered_with_what_is(
    client: httpx.AsyncClient, accepted: str
) -> None:
    response = await client.post("/generate", headers={"Accept": accepted})
    assert code_of(response) == (406, "not_acceptable")
    for offered in ("application/json", "model/gltf-binary", "model/obj", "application/zip"):
        assert offered in response.json()["suggestion"]


async def test_a_mesh_that_takes_too_long_to_read(
    lone_settings: GatewaySettings, worker: FakeWorker
) -> None:
    hasty = lone_settings.model_copy(update={"parse_timeout_s": 1e-9})
    async with gateway_of_this_loop(hasty, asyncio.Event()) as client:
        response = await client.post("/encode", content=sphere_bytes())
    assert code_of(response) == (422, "preprocessing_timeout")
    assert worker.seen == []
