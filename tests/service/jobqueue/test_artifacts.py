"""Meshes that an attempt shows before it ends."""

from dataclasses import replace

from service.jobqueue.queue import JobQueue
from service.jobs import Artifact
from tests.service.jobqueue.worker import new_job, start


def artifact(resolution: int) -> Artifact:
    ref = f"meshes/job/1-0-{resolution}.glb"
    return Artifact(sample=0, resolution=resolution, ref=ref, bytes=10, faces=4, vertices=6)


async def test_artifacts_are_kept_in_order_each_with_the_change_it_came_with(
    queue: JobQueue,
) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    assert await queue.show(lease, artifact(32))
    assert await queue.show(lease, artifact(64))
    shown = await queue.get(job.id)
    assert shown is not None
    assert [replace(one, seq=0) for one in shown.artifacts] == [artifact(32), artifact(64)]
    assert [one.seq for one in shown.artifacts] == [shown.seq - 1, shown.seq]


async def test_showing_may_be_repeated(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    assert await queue.show(lease, artifact(32))
    assert await queue.show(lease, artifact(32))
    shown = await queue.get(job.id)
    assert shown is not None
    assert len(shown.artifacts) == 1


async def test_what_an_attempt_showed_goes_with_it(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await queue.show(lease, artifact(32))
    await queue.release(lease)
    assert not await queue.show(lease, artifact(64))
    waiting = await queue.get(job.id)
    assert waiting is not None
    assert waiting.artifacts == ()
    again = await start(queue)
    assert await queue.show(again, artifact(64))
