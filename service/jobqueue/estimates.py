"""How long things will take: places in line, waits, and when to come again."""

import math
from collections.abc import Mapping, Sequence

from service.jobqueue.registry import Registry
from service.jobs import PRIORITIES, Job, JobState


class Estimates(Registry):
    """What callers are told of the time ahead; made from how long jobs took so far."""

    async def positions(self, jobs: Sequence[Job]) -> dict[str, int]:
        """How many waiting jobs are ahead of each of these, by id; only of those in line."""
        queued = [job for job in jobs if job.state is JobState.QUEUED]
        positions: dict[str, int] = {}
        for operation in {job.operation for job in queued}:
            ids = [job.id for job in queued if job.operation is operation]
            ahead = await self._connection.run("positions", operation, len(PRIORITIES), *ids)
            positions |= dict(zip(ids, ahead, strict=True))
        return {job_id: ahead for job_id, ahead in positions.items() if ahead >= 0}

    async def position(self, job: Job) -> int | None:
        """How many waiting jobs are ahead of this one; None where it does not wait in line."""
        return (await self.positions([job])).get(job.id)

    async def waits_s(self, jobs: Sequence[Job], positions: Mapping[str, int]) -> dict[str, float]:
        """Seconds that the jobs with a position will about wait and then take, by id.

        Those ahead are taken for mean jobs; what a job takes itself goes by its shapes and steps.
        """
        if not positions:
            return {}
        waiting = [job for job in jobs if job.id in positions]
        keys = [f"lg:work_ms:{job.operation}" for job in waiting]
        mean_ms, *work_ms = await self._connection.command("MGET", "lg:mean_ms", *keys)
        mean_s = float(mean_ms or 1000) / 1000
        workers = max(len(await self.workers()), 1)
        return {
            job.id: positions[job.id] / workers * mean_s
            + (mean_s if each_ms is None else float(each_ms) / 1000 * work_of(job))
            for job, each_ms in zip(waiting, work_ms, strict=True)
        }

    async def retry_after(self) -> int:
        """Seconds, 1 to 60, in which the present backlog should have been worked off."""
        live = await self._connection.command("ZCARD", "lg:live")
        mean_ms = await self._connection.command("GET", "lg:mean_ms")
        slots = sum(worker.slots for worker in await self.workers())
        seconds = int(live) * float(mean_ms or 1000) / 1000 / max(slots, 1)
        return min(max(math.ceil(seconds), 1), 60)


def work_of(job: Job) -> int:
    """Steps of all shapes of a job; shapes, where there are no steps. As in finish.lua."""
    return int(job.params.get("n", 1)) * int(job.params.get("steps", 1))
