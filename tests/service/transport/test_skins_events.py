"""REST and gRPC are two skins of one service: what becomes of a job, as it happens."""

from __future__ import annotations

from service.errors import EmptySurface
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.transport.skins import Both, Skin, running


async def test_a_job_is_watched_from_the_queue_to_its_end(skin: Skin, worker: FakeWorker) -> None:
    worker.open.clear()
    job_id = (await skin.submit("generate", wait_s=0))["id"]
    await running(worker)
    await worker.show(worker.seen[-1], 32)
    seen = []
    async for event in skin.watch(job_id):
        seen.append(event)
        if event.kind == "artifact":
            worker.open.set()
    assert [event.seq for event in seen] == sorted(event.seq for event in seen)
    assert seen[-1].kind == "done"
    assert seen[-1].data == await skin.job(job_id)
    coarse, final = [event for event in seen if event.kind == "artifact"]
    assert (coarse.data["job"], coarse.data["resolution"]) == (job_id, 32)
    assert len(coarse.file) == coarse.data["bytes"] > 0
    (shape,) = seen[-1].data["shapes"]
    assert (final.data["shape"], final.data["final"]) == (shape["id"], True)
    assert len(final.file) == final.data["bytes"] == shape["mesh"]["bytes"]
    assert seen[-2] is final


async def test_both_watch_the_same_and_go_on_after_an_event(both: Both, worker: FakeWorker) -> None:
    worker.open.clear()
    job_id = (await both[0].submit("generate", wait_s=0))["id"]
    await running(worker)
    for resolution in (16, 32):
        await worker.show(worker.seen[-1], resolution)
    worker.open.set()
    await both[0].submit("generate")  # runs after it, so that it has ended
    watched = [[event async for event in skin.watch(job_id)] for skin in both]
    assert watched[0] == watched[1]
    assert [event.kind for event in watched[0]] == ["artifact"] * 3 + ["done"]
    first, last = watched[0][0].seq, watched[0][-1].seq
    for skin in both:
        resumed = [event async for event in skin.watch(job_id, after=first)]
        assert resumed == watched[0][1:]
        assert [event async for event in skin.watch(job_id, after=last)] == []


async def test_a_failure_ends_with_an_error(skin: Skin, worker: FakeWorker) -> None:
    worker.failure = EmptySurface("no surface")
    worker.open.clear()  # or it may have failed before it is answered
    job = await skin.submit("generate", wait_s=0)
    worker.open.set()
    *_, last = [event async for event in skin.watch(job["id"])]
    assert (last.kind, last.data["error"]["code"]) == ("error", "empty_surface")
