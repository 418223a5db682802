"""A job's events over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.geometry.mesh import load_mesh
from service.contract import Artifact, Job
from service.errors import EmptySurface
from service.gateway.events import JobEvents
from service.gateway.routes import events as event_routes
from service.gateway.submission import Call
from service.gateway.views import job_view
from service.jobqueue.queue import JobQueue
from service.jobs import Artifact as Shown
from service.jobs import Job as Record
from service.jobs import JobState, Stage
from service.settings import GatewaySettings
from tests.service.gateway.conftest import gateway_of_this_loop
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated
from tests.service.worker.jobs import job

ASYNC = {"Prefer": "respond-async"}


@dataclass(frozen=True)
class Event:
    kind: str
    id: int
    data: dict[str, Any]


async def events(
    client: httpx.AsyncClient, job_id: str, headers: dict[str, str] | None = None
) -> AsyncIterator[Event]:
    async with client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
                fields = {}


async def submit(client: httpx.AsyncClient) -> str:
    response = await client.post("/generate?category=table", headers=ASYNC)
    assert response.status_code == 202
    job_id: str = response.json()["id"]
    assert response.json()["links"]["events"] == f"/jobs/{job_id}/events"
    return job_id


async def test_a_job_is_followed_from_the_queue_to_its_end(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    job_id = await submit(client)
    seen: list[Event] = []
    async for event in events(client, job_id):
        seen.append(event)
        if event.data.get("stage") == "decode":
            worker.open.set()
    shown = [event for event in seen if event.kind == "artifact"]
    for event in seen:
        (Artifact if event in shown else Job).model_validate(event.data)
    assert seen[-1].kind == "done"
    assert seen[-1].data["state"] == "succeeded"
    assert seen[-1].data["shapes"][0]["mesh"]["url"].startswith("/shapes/shp_")
    assert {event.kind for event in seen[:-2]} == {"status"}
    assert seen[-2] in shown
    assert [event.id for event in seen] == sorted(event.id for event in seen)
    assert any(event.data.get("progress") == 0.5 for event in seen)


async def test_coarse_meshes_come_before_the_result(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    job_id = await submit(client)
    await asyncio.wait_for(worker.running.wait(), 30)
    await worker.show(worker.seen[-1], 32)
    shown, last = [], None
    async for event in events(client, job_id):
        if event.kind == "artifact":
            artifact = Artifact.model_validate(event.data)
            shown.append((artifact.job, artifact.sample, artifact.resolution, artifact.final))
            mesh = await client.get(artifact.url)
            assert mesh.headers["content-type"] == "model/gltf-binary"
            assert len(mesh.content) == artifact.bytes
            assert len(load_mesh(mesh.content).faces) == artifact.faces
            worker.open.set()
        last = event
    assert shown == [(job_id, 0, 32, False), (job_id, 0, 64, True)]
    assert last is not None
    assert last.kind == "done"
    (shape,) = last.data["shapes"]
    assert (artifact.shape, artifact.url) == (shape["id"], shape["mesh"]["url"])


async def test_the_final_meshes_are_told_each_before_the_end_in_the_format_asked_for(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    done = (await client.post("/generate?n=3&format=obj&resolution=32")).json()
    seen = [event async for event in events(client, done["id"])]
    shown = seen[:-1]
    assert [event.kind for event in seen] == ["artifact"] * 3 + ["done"]
    assert [event.data["sample"] for event in shown] == [0, 1, 2]
    for event, shape in zip(shown, done["shapes"], strict=True):
        told = Artifact.model_validate(event.data)
        assert (told.final, told.format, told.resolution) == (True, "obj", 32)
        assert (told.shape, told.url) == (shape["id"], shape["mesh"]["url"])
        assert (told.bytes, told.faces) == (shape["mesh"]["bytes"], shape["mesh"]["faces"])
    ids = [event.id for event in seen]
    assert sorted(set(ids)) == ids
    header = {"Last-Event-ID": str(ids[1])}  # between two of them
    assert [event async for event in events(client, done["id"], header)] == seen[2:]
    # They are the shapes' meshes, and no files of the job.
    artifact = await client.get(f"/jobs/{done['id']}/artifacts/0-32.glb")
    assert artifact.status_code == 404


class Told:
    """Readings of a job's record, as they come; a view that needs no queue."""

    def __init__(self, *readings: Record) -> None:
        self._readings = readings

    async def changes(self, job_id: str) -> AsyncIterator[Record]:
        for reading in self._readings:
            assert reading.id == job_id
            yield reading

    async def get(self, job_id: str, call: Call) -> Record:
        return self._readings[0]

    async def view(self, job: Record) -> Job:
        return job_view(job)

    async def told(self) -> list[tuple[str, int, str | None]]:
        """Kind, id and stage of each event."""
        jobs: Any = self
        follow = JobEvents(jobs, jobs, asyncio.Event()).follow(self._readings[0].id, Call())
        return [
            (event.kind, event.seq, event.data.stage if isinstance(event.data, Job) else None)
            async for event in follow
        ]


def reading(**changes: Any) -> Record:
    return replace(job(), id="job_a", state=JobState.RUNNING, **changes)


def shown_at(*seqs: int, final: bool = False) -> tuple[Shown, ...]:
    url = "/shapes/shp_a/mesh" if final else ""
    return tuple(
        Shown(
            sample=0, shape="shp_a", resolution=seq, ref="", bytes=1, faces=1, vertices=1, seq=seq,
            url=url,
        )
        for seq in seqs
    )  # fmt: skip


async def test_a_mesh_is_told_after_the_stage_that_it_was_made_in() -> None:
    # One reading may bring both: the stage, as change 4, and then two meshes.
    before = reading(seq=3, stage=Stage.DENOISE_L1, progress=0.6)
    after = reading(seq=6, stage=Stage.DECODE, progress=0.9, artifacts=shown_at(5, 6))
    assert await Told(before, after).told() == [
        ("status", 3, "denoise_l1"),
        ("status", 4, "decode"),
        ("artifact", 5, None),
        ("artifact", 6, None),
        ("progress", 6, "decode"),
    ]
    kinds = [kind for kind, *_ in await Told(after).told()]
    assert kinds == ["status", "artifact", "artifact", "progress"]


async def test_a_watcher_who_missed_the_stage_hears_of_it_before_the_mesh_of_an_ended_job() -> None:
    before = reading(seq=3, stage=Stage.DENOISE_L1, progress=0.6)
    ended = replace(
        reading(seq=8, stage=None, progress=1.0, artifacts=shown_at(5, 7, final=True)),
        state=JobState.SUCCEEDED,
    )
    assert await Told(before, ended).told() == [
        ("status", 3, "denoise_l1"),
        ("status", 4, "export"),
        ("artifact", 5, None),
        ("artifact", 7, None),
        ("done", 8, None),
    ]
    assert [kind for kind, *_ in await Told(ended).told()] == ["artifact", "artifact", "done"]


async def test_last_event_id_goes_on_where_another_stream_broke_off(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    job_id = await submit(client)
    await asyncio.wait_for(worker.running.wait(), 30)
    await worker.show(worker.seen[-1], 32)
    async for event in events(client, job_id):
        if event.kind == "artifact":
            break
    await worker.show(worker.seen[-1], 48)
    worker.open.set()
    resumed = [one async for one in events(client, job_id, {"Last-Event-ID": str(event.id)})]
    assert all(one.id > event.id for one in resumed)
    assert [one.data["resolution"] for one in resumed if one.kind == "artifact"] == [48, 64]
    assert resumed[-1].kind == "done"
    after = await client.get(
        f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(resumed[-1].id)}
    )
    assert after.status_code == 204


async def test_a_failure_and_a_cancellation_end_with_error(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.failure = EmptySurface("no surface")
    failed = [event async for event in events(client, await submit(client))]
    assert failed[-1].kind == "error"
    assert failed[-1].data["error"]["code"] == "empty_surface"
    worker.open.clear()
    job_id = await submit(client)
    await asyncio.wait_for(worker.running.wait(), 30)
    await client.delete(f"/jobs/{job_id}")
    canceled = [event async for event in events(client, job_id)]
    assert canceled[-1].kind == "error"
    assert canceled[-1].data["state"] == "canceled"
    assert canceled[-1].data["error"]["code"] == "canceled"


async def test_a_place_in_the_queue_is_told_when_it_changes(
    client: httpx.AsyncClient,
    own_queue: JobQueue,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await generated(client)  # so that it is known how long jobs take
    monkeypatch.setattr("service.jobqueue.waiters._REREAD_S", 0.2)  # nobody wakes who moves up
    worker.open.clear()
    await submit(client)
    await asyncio.wait_for(worker.running.wait(), 30)
    ahead, job_id = await submit(client), await submit(client)
    positions = []
    async for event in events(client, job_id):
        if event.data.get("queue_position") is not None:
            assert event.data["eta_s"] >= 0
            positions.append(event.data["queue_position"])
        if positions == [1]:
            await own_queue.cancel(ahead)
        elif positions[-1:] == [0]:
            worker.open.set()
    assert positions == [1, 0]


async def test_the_events_of_an_unknown_job_are_a_404_and_bad_ids_a_422(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    assert (await client.get("/jobs/job_none/events")).json()["code"] == "not_found"
    job_id = await submit(client)
    for bad in ("-1", "x", "1e3", "9" * 40, "٣"):
        answer = await client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": bad.encode()})
        assert answer.status_code == 422
        assert answer.json()["param"] == "Last-Event-ID"


async def test_events_are_not_sent_to_who_accepts_other_types_alone(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    path = f"/jobs/{await submit(client)}/events"
    refused = await client.get(path, headers={"Accept": "application/json"})
    assert code_of(refused) == (406, "not_acceptable")
    assert refused.json()["param"] == "Accept"
    answer = await client.get(path, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["0-32", "7-64"])
async def test_an_artifact_that_is_not_there_is_a_404(
    client: httpx.AsyncClient, worker: FakeWorker, name: str
) -> None:
    answer = await client.get(f"/jobs/{await submit(client)}/artifacts/{name}.glb")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_a_quiet_stream_is_pinged(
    client: httpx.AsyncClient, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert event_routes.PING_S == 15
    monkeypatch.setattr(event_routes, "PING_S", 0.05)
    worker.open.clear()
    job_id = await submit(client)
    async with client.stream("GET", f"/jobs/{job_id}/events") as response:
        async for line in response.aiter_lines():
            if line == ": ping":
                break
    worker.open.set()


async def test_a_stream_ends_with_the_process_and_says_when_to_come_back(
    lone_settings: GatewaySettings, worker: FakeWorker
) -> None:
    draining, told = asyncio.Event(), asyncio.Event()

    def noting(app: ASGIApp) -> ASGIApp:
        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            async def pass_on(message: Message) -> None:
                await send(message)
                if b"data: " in message.get("body", b""):
                    told.set()

            await app(scope, receive, pass_on)

        return noted

    worker.open.clear()
    async with gateway_of_this_loop(lone_settings, draining, noting) as own:
        job_id = await submit(own)
        await asyncio.wait_for(worker.running.wait(), 30)
        stream = asyncio.create_task(own.get(f"/jobs/{job_id}/events"))
        await asyncio.wait_for(told.wait(), 30)
        assert not stream.done()
        draining.set()
        text = (await asyncio.wait_for(stream, 30)).text
    first, *between, last, rest = text.split("\n\n")
    assert (first, last, rest) == ("retry: 1000", "retry: 1000", "")
    assert between
    assert "event: done" not in text
