"""What tests of both skins share: how to compare jobs, and to wait for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.transport.drivers import GrpcDriver, Refusal, RestDriver

Skin = RestDriver | GrpcDriver
Both = tuple[RestDriver, GrpcDriver]

_OWN = {"id", "created_at", "started_at", "finished_at", "expires_at", "timings_ms"}
"""What two jobs of the same request differ in."""


def alike(value: Any) -> Any:
    """A job without what is its own."""
    if isinstance(value, list):
        return [alike(item) for item in value]
    if isinstance(value, dict):
        return {name: alike(item) for name, item in value.items() if name not in _OWN}
    return value


async def refused(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


async def ended(queue: JobQueue, job_id: str) -> JobState:
    async with JobWaiters(queue) as waiters:
        return (await waiters.wait(job_id, 30)).state


async def running(worker: FakeWorker) -> str:
    """Id of the job that the worker has, once it has one."""
    await asyncio.wait_for(worker.running.wait(), 30)
    return worker.seen[-1].id
