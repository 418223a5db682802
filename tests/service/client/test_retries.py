"""Trying again: what is tried again, how often, and that nothing runs twice."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.client import AsyncLagemClient, LagemClient, RetryPolicy, ServerUnreachable
from service.client.effects import Call, Send, Sleep
from service.client.retries import exchange
from service.errors import (
    InternalError,
    NoWorker,
    OutOfMemory,
    QueueFull,
    QueueUnavailable,
    RateLimited,
    ServiceError,
)
from tests.service.client.conftest import Connect
from tests.service.client.flaky import Busy, Flaky, lose, refuse
from tests.service.gateway.fakeworker import FakeWorker

NOW = {"Retry-After": "0"}


def problem(code: str, status: int, **fields: Any) -> dict[str, Any]:
    known = {"type": "t", "title": "t", "status": status, "detail": "d", "instance": "/"}
    known |= {"suggestion": None, "param": None, "retryable": True, "request_id": "r", "job": None}
    return known | {"code": code} | fields


def busy(code: str, status: int, retry_after: str | None = "0", **fields: Any) -> Busy:
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Busy(status, headers, problem(code, status, **fields))


@pytest.mark.parametrize(
    "faults",
    [
        (refuse, refuse),
        (lose, lose),
        (busy("queue_full", 429), busy("no_worker", 503)),
        (Busy(502), Busy(504)),
        (Busy(429, NOW), lose),
        (busy("queue_unavailable", 503, job="job_1"), lose),
    ],
    ids=["refused", "answers lost", "busy", "a proxy's", "mixed", "redis away while waiting"],
)
async def test_a_submission_is_tried_again_and_runs_once(
    connect: Connect, worker: FakeWorker, faults: tuple[Any, ...]
) -> None:
    flaky = Flaky(*faults, path="/generate")
    client = await connect(transport=flaky)
    assert (await client.generate(category="table", seed=7)).seed == 7
    assert len(worker.seen) == 1
    sent = [request for request in flaky.requests if request.url.path == "/generate"]
    assert len(sent) == 3
    assert len({request.headers["idempotency-key"] for request in sent}) == 1
    again = await client.generate(category="table", seed=7)
    assert len(worker.seen) == 2  # another call, another key
    assert again.shape_id != (await client.jobs())[1].shapes[0].id


async def test_an_upload_is_sent_again_whole(connect: Connect, worker: FakeWorker) -> None:
    flaky = Flaky(lose, path="/encode")
    client = await connect(transport=flaky)
    data = b"".join(b"v %d %d 0\n" % (x, y) for x in range(2) for y in range(2)) + b"f 1 2 4 3\n"
    assert (await client.encode(data, filename="square.obj")).metrics
    assert len(worker.seen) == 1


async def test_downloads_and_lookups_are_tried_again(connect: Connect, worker: FakeWorker) -> None:
    flaky = Flaky(busy("queue_unavailable", 503), lose, path="/shapes/")
    client = await connect(transport=flaky)
    assert (await client.generate()).mesh.is_watertight
    flaky.faults, flaky.path = [refuse, lose], "/jobs"
    assert len(await client.jobs()) == 1


async def test_a_cancellation_whose_answer_was_lost_is_no_error(
    connect: Connect, worker: FakeWorker
) -> None:
    flaky = Flaky()
    client = await connect(transport=flaky)
    worker.open.clear()
    await client.submit_generate()
    job = await client.submit_generate()  # waits behind the other
    flaky.faults, flaky.path = [lose], job.id
    assert (await client.cancel(job)).state == "canceled"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (busy("queue_full", 429), QueueFull),
        (busy("rate_limited", 429, None), RateLimited),
        (busy("no_worker", 503), NoWorker),
        (refuse, ServerUnreachable),
        (lose, ServerUnreachable),
        (Busy(502), InternalError),
    ],
)
async def test_tries_are_bounded(
    connect: Connect, worker: FakeWorker, fault: Any, expected: type[Exception]
) -> None:
    flaky = Flaky(path="/generate", always=fault)
    client = await connect(transport=flaky)
    with pytest.raises(expected):
        await client.generate()
    assert len(flaky.requests) == 3


async def test_a_server_that_is_not_there_is_said_to_be(
    connect: Connect, worker: FakeWorker
) -> None:
    client = await connect(base_url="http://127.0.0.1:9")
    with pytest.raises(
        ConnectionError, match=r"http://127.0.0.1:9/ cannot be reached.*lagem serve"
    ):
        await client.categories()


async def test_a_delay_longer_than_the_patience_is_not_begun(
    connect: Connect, worker: FakeWorker
) -> None:
    flaky = Flaky(path="/generate", always=busy("queue_full", 429, "3600"))
    client = await connect(transport=flaky)
    with pytest.raises(QueueFull) as caught:
        await client.generate()
    assert caught.value.retry_after == 3600
    assert len(flaky.requests) == 1


async def test_waiting_for_a_job_tries_no_longer_than_the_time_it_has(
    connect: Connect, worker: FakeWorker
) -> None:
    worker.open.clear()
    flaky = Flaky()
    client = await connect(transport=flaky)
    job = await client.submit_generate()
    flaky.always, flaky.path = busy("queue_unavailable", 503, "2"), job.id
    with pytest.raises(QueueUnavailable):
        await client.wait(job, timeout=1)
    assert len([request for request in flaky.requests if job.id in request.url.path]) == 1
    worker.open.set()


async def test_a_job_that_ran_out_of_memory_is_not_asked_for_again(
    connect: Connect, worker: FakeWorker
) -> None:
    worker.failure = OutOfMemory("Too large.")
    flaky = Flaky()
    client = await connect(transport=flaky)
    with pytest.raises(OutOfMemory) as caught:
        await client.generate()
    assert caught.value.job
    assert len(flaky.requests) == 1


@pytest.mark.parametrize("code", ["invalid_parameter", "capability_missing", "internal"])
async def test_other_refusals_are_final(connect: Connect, worker: FakeWorker, code: str) -> None:
    flaky = Flaky(busy(code, 500), path="/generate")
    client = await connect(transport=flaky)
    with pytest.raises(ServiceError) as caught:
        await client.generate()
    assert caught.value.code == code
    assert len(flaky.requests) == 1


def answer(status: int, **headers: str) -> httpx.Response:
    request = httpx.Request("GET", "http://server/x")
    return httpx.Response(status, headers=headers, request=request)


def test_the_server_s_delay_is_kept_and_others_double() -> None:
    policy = RetryPolicy(tries=5, total_s=100, first_delay_s=1, max_delay_s=3)
    steps = exchange(Call("GET", "/x"), policy)
    assert isinstance(steps.send(None), Send)
    assert steps.send(answer(503, **{"Retry-After": "7"})) == Sleep(7)
    delays = []
    for _ in range(3):
        assert isinstance(steps.send(None), Send)
        effect = steps.send(answer(503))
        assert isinstance(effect, Sleep)
        delays.append(effect.seconds)
    assert 1 <= delays[0] <= 2  # the second try: twice the first delay, less chance
    assert 1.5 <= delays[1] <= 3
    assert 1.5 <= delays[2] <= 3
    steps.send(None)
    with pytest.raises(ServiceError):
        steps.send(answer(503))


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"total_s": -1}, {"first_delay_s": float("nan")}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


@pytest.mark.parametrize("kind", [LagemClient, AsyncLagemClient])
def test_clients_are_patient_by_default(kind: Any) -> None:
    assert kind("http://server")._core._policy == RetryPolicy()
