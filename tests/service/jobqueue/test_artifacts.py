"""Meshes that an attempt shows before it ends."""

from dataclasses import replace

from service.jobqueue.lease import Lease, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobs import Artifact, JobState, Stage
from tests.service.jobqueue.worker import new_job, start


def artifact(resolution: int) -> Artifact:
    ref = f"meshes/job/1-0-{resolution}.glb"
    return Artifact(
        sample=0, shape="shp_a", resolution=resolution, ref=ref, bytes=10, faces=4, vertices=6
    )


async def show(queue: JobQueue, lease: Lease, resolution: int) -> bool:
    return await queue.show(lease, artifact(resolution), stage=Stage.DECODE, progress=0.5)


async def test_artifacts_are_kept_in_order_each_with_the_change_it_came_with(
    queue: JobQueue,
) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    assert await show(queue, lease, 32)
    assert await show(queue, lease, 64)
    shown = await queue.get(job.id)
    assert shown is not None
    assert [replace(one, seq=0) for one in shown.artifacts] == [artifact(32), artifact(64)]
    assert [one.seq for one in shown.artifacts] == [shown.seq - 1, shown.seq]


async def test_showing_may_be_repeated(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    assert await show(queue, lease, 32)
    assert await show(queue, lease, 32)
    shown = await queue.get(job.id)
    assert shown is not None
    assert len(shown.artifacts) == 1


async def test_what_an_attempt_showed_goes_with_it(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await show(queue, lease, 32)
    await queue.release(lease)
    assert not await show(queue, lease, 64)
    waiting = await queue.get(job.id)
    assert waiting is not None
    assert waiting.artifacts == ()
    again = await start(queue)
    assert await show(queue, again, 64)


async def test_what_is_shown_tells_the_stage_that_it_was_made_in(queue: JobQueue) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await queue.beat(lease, stage=Stage.DENOISE_L1, progress=0.4)
    before = await queue.get(job.id)
    await show(queue, lease, 32)
    after = await queue.get(job.id)
    assert before is not None
    assert after is not None
    assert (after.stage, after.progress) == (Stage.DECODE, 0.5)
    (shown,) = after.artifacts
    # The stage's own change comes in between, for those who are to hear of it first.
    assert (shown.seq, after.seq) == (before.seq + 2, before.seq + 2)


async def test_the_final_meshes_come_with_the_end_each_with_a_change_of_its_own(
    queue: JobQueue,
) -> None:
    job, _ = await queue.submit(new_job())
    lease = await start(queue)
    await show(queue, lease, 32)
    before = await queue.get(job.id)
    final = [
        replace(artifact(64), sample=sample, url=f"/shapes/{sample}", ref=f"meshes/{sample}.glb")
        for sample in (0, 1)
    ]
    assert await queue.finish(lease, Succeeded(result={"shapes": []}, artifacts=tuple(final)))
    assert await queue.finish(lease, Succeeded(result={"shapes": []}, artifacts=tuple(final)))
    done = await queue.get(job.id)
    assert before is not None
    assert done is not None
    assert done.state is JobState.SUCCEEDED
    assert [replace(one, seq=0) for one in done.artifacts] == [artifact(32), *final]
    first, *others = [one.seq for one in done.artifacts]
    assert [first, *others, done.seq] == [before.seq + step for step in (0, 2, 3, 4)]
    assert [one.final for one in done.artifacts] == [False, True, True]
