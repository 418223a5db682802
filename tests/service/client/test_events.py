"""Jobs followed, over connections that break, with both clients."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.client import (
    ArtifactEvent,
    DoneEvent,
    ErrorEvent,
    ProgressEvent,
    ServerUnreachable,
    StatusEvent,
)
from service.client.events import Frame, FrameReader
from service.errors import Canceled, EmptySurface, JobFinal, NotFound
from tests.service.client.conftest import QUICK, Connect
from tests.service.client.flaky import Busy, Cut, Flaky, refuse
from tests.service.gateway.fakeworker import FakeWorker


async def running(client: Any, worker: FakeWorker) -> Any:
    worker.open.clear()
    job = await client.submit_generate(category="table", seed=7)
    await asyncio.wait_for(worker.running.wait(), 20)
    return job


def last_ids(flaky: Flaky) -> list[str | None]:
    return [
        request.headers.get("last-event-id")
        for request in flaky.requests
        if request.url.path.endswith("/events")
    ]


async def test_a_job_is_watched_from_its_submission_to_its_end(
    client: Any, worker: FakeWorker
) -> None:
    job = await running(client, worker)
    await worker.show(worker.seen[-1], 32)
    seen, shown = [], []
    async for event in client.watch(job):
        seen.append(event)
        if isinstance(event, ArtifactEvent):
            shown.append((event.artifact.resolution, event.artifact.final, len(event.mesh.faces)))
            worker.open.set()
        else:
            assert event.job.id == job.id
    assert isinstance(seen[-1], DoneEvent)
    assert seen[-1].job.shapes[0].seed == 7
    assert shown == [(32, False, 80), (64, True, 80)]
    assert all(
        isinstance(event, StatusEvent | ProgressEvent | ArtifactEvent) for event in seen[:-1]
    )
    again = [event async for event in client.watch(job.id, artifacts=False)]
    assert [event.kind for event in again] == ["done"]


async def test_a_broken_stream_is_gone_on_with_and_tells_nothing_twice(
    connect: Connect, worker: FakeWorker
) -> None:
    flaky = Flaky(
        Cut(b'"resolution":32'), refuse, Busy(503), Cut(b'"resolution":48'), path="/events"
    )
    client = await connect(transport=flaky, retries=replace(QUICK, tries=4))
    job = await running(client, worker)
    await worker.show(worker.seen[-1], 32)
    shown = []
    async for event in client.watch(job):
        if isinstance(event, ArtifactEvent):
            shown.append(event.artifact.resolution)
            if shown == [32]:
                await worker.show(worker.seen[-1], 48)
            else:
                worker.open.set()
    assert shown == [32, 48, 64]
    assert isinstance(event, DoneEvent)
    ids = last_ids(flaky)
    assert ids[0] is None
    assert len(ids) == 5
    assert ids[1] == ids[2] == ids[3]
    assert int(ids[4] or 0) > int(ids[3] or 0) > 0


async def test_a_stream_that_the_server_ends_is_opened_again(
    connect: Connect, worker: FakeWorker
) -> None:
    flaky = Flaky(Cut(b'"state":"running"', clean=True), path="/events")
    client = await connect(transport=flaky)
    job = await running(client, worker)
    kinds = []
    async for event in client.watch(job):
        kinds.append(event.kind)
        worker.open.set()
    assert kinds[-1] == "done"
    assert len(last_ids(flaky)) == 2


async def test_an_end_that_was_told_before_the_break_is_told_by_the_job(
    connect: Connect, worker: FakeWorker
) -> None:
    flaky = Flaky(Busy(204), path="/events")
    client = await connect(transport=flaky)
    done = await client.generate(seed=7)
    events = [event async for event in client.watch(done.job)]
    assert [event.kind for event in events] == ["done"]
    assert events[0].job.id == done.job.id


@pytest.mark.parametrize("fault", [refuse, Busy(503), Cut(b"retry")])
async def test_a_stream_that_always_breaks_is_given_up(
    connect: Connect, worker: FakeWorker, fault: Any
) -> None:
    flaky = Flaky(path="/events", always=fault)
    client = await connect(transport=flaky)
    job = await running(client, worker)
    with pytest.raises(Exception, match=r"tried 3 times|answered 503"):
        async for _ in client.watch(job):
            pass
    assert len(last_ids(flaky)) == 3


async def test_a_server_that_ends_every_stream_at_once_is_given_up(
    connect: Connect, worker: FakeWorker
) -> None:
    client = await connect(transport=Flaky(path="/events", always=Busy(200)))
    job = await running(client, worker)
    with pytest.raises(ServerUnreachable, match="ends its answers early"):
        await client.wait(job)


async def test_a_watcher_may_leave_early(client: Any, worker: FakeWorker) -> None:
    job = await running(client, worker)
    events = client.watch(job)
    async for event in events:
        assert event.kind == "status"
        break
    await events.aclose()
    worker.open.set()
    assert (await client.wait(job)).seed == 7


async def test_a_canceled_job_ends_its_events_and_whoever_waits(
    client: Any, worker: FakeWorker
) -> None:
    job = await running(client, worker)
    waiting = asyncio.ensure_future(client.wait(job))
    await client.cancel(job)
    *_, last = [event async for event in client.watch(job)]
    assert isinstance(last, ErrorEvent)
    assert isinstance(last.error, Canceled)
    with pytest.raises(Canceled) as caught:
        await waiting
    assert caught.value.job == job.id
    assert (await client.cancel(job.id)).state == "canceled"  # as it is already
    worker.open.set()
    done = await client.generate()
    with pytest.raises(JobFinal):
        await client.cancel(done.job)


async def test_a_failure_is_the_last_event(client: Any, worker: FakeWorker) -> None:
    worker.failure = EmptySurface("There is nothing.")
    job = await client.submit_generate()
    *_, last = [event async for event in client.watch(job)]
    assert isinstance(last.error, EmptySurface)
    assert last.error.job == job.id


async def test_an_unknown_job_cannot_be_watched(client: Any, worker: FakeWorker) -> None:
    with pytest.raises(NotFound):
        async for _ in client.watch("job_none"):
            pass
    with pytest.raises(TypeError, match="job must be"):
        async for _ in client.watch(7):
            pass


STREAM = (
    "retry: 1500\n\n"
    ": ping\n\n"
    'event: status\nid: 3\ndata: {"a":"\u2028\u0085ü"}\n\n'
    "event: done\r\nid: 4\r\ndata: one\r\ndata:two\r\n\r\n"
    "event: nothing\n\n"
    "data: no id\n\n"
    "event: half\nid: 5\ndata: lost"
).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_are_read_however_the_bytes_are_cut(size: int) -> None:
    reader = FrameReader()
    frames = [
        frame
        for start in range(0, len(STREAM), size)
        for frame in reader.feed(STREAM[start : start + size])
    ]
    assert frames == [Frame("status", 3, '{"a":"\u2028\u0085ü"}'), Frame("done", 4, "one\ntwo")]
    assert reader.retry_s == 1.5
    assert reader.alive


def test_a_retry_alone_is_no_sign_of_life() -> None:
    reader = FrameReader()
    assert reader.feed(b"retry: 10\n\n") == []
    assert not reader.alive
