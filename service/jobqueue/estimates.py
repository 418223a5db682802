"""How long things will take: places in line, waits, and when to come again."""

import math
import time
from collections.abc import Mapping, Sequence

from service.jobqueue.lease import Outcome, Succeeded
from service.jobqueue.registry import Registry
from service.jobs import PRIORITIES, Job, JobState


class Estimates(Registry):
    """What callers are told of the time ahead; made from how long jobs took so far.

    ``lg:mean_ms`` is the time that one job costs a worker: of a batch its share, so that it need
    not be known how many jobs a worker runs side by side. ``lg:work_ms:<operation>`` is the time
    from a job's start to its end, by its work, as it goes in such batches as there are.
    """

    async def positions(self, jobs: Sequence[Job]) -> dict[str, int]:
        """How many waiting jobs are ahead of each of these, by id; only of those in line."""
        queued = [job for job in jobs if job.state is JobState.QUEUED]
        positions: dict[str, int] = {}
        for operation in {job.operation for job in queued}:
            ids = [job.id for job in queued if job.operation is operation]
            ahead = await self._connection.run("positions", operation, len(PRIORITIES), *ids)
            positions |= dict(zip(ids, ahead, strict=True))
        return {job_id: ahead for job_id, ahead in positions.items() if ahead >= 0}

    async def waits_s(self, jobs: Sequence[Job], positions: Mapping[str, int]) -> dict[str, float]:
        """Seconds that the jobs with a position will about wait and then take, by id.

        Until the first worker is free, then for those ahead, which are taken for mean jobs; what a
        job takes itself goes by its shapes and steps. Nothing is told before a job was measured.
        """
        if not positions:
            return {}
        waiting = [job for job in jobs if job.id in positions]
        keys = [f"lg:work_ms:{job.operation}" for job in waiting]
        mean_ms, *work_ms = await self._connection.command("MGET", "lg:mean_ms", *keys)
        if mean_ms is None:
            return {}
        mean_s = float(mean_ms) / 1000
        workers = await self.workers()
        now = time.time()
        free_in_s = min((max(each.busy_until_ms / 1000 - now, 0.0) for each in workers), default=0)
        return {
            job.id: free_in_s
            + positions[job.id] * mean_s / max(len(workers), 1)
            + (mean_s if each_ms is None else float(each_ms) / 1000 * work_of(job))
            for job, each_ms in zip(waiting, work_ms, strict=True)
        }

    async def retry_after(self) -> int:
        """Seconds, 1 to 60, in which the present backlog should have been worked off."""
        live = await self._connection.command("ZCARD", "lg:live")
        mean_ms = await self._connection.command("GET", "lg:mean_ms")
        mean_s, workers = float(mean_ms or 1000) / 1000, max(len(await self.workers()), 1)
        return min(max(math.ceil(int(live) * mean_s / workers), 1), 60)


def work_of(job: Job) -> int:
    """Steps of all shapes of a job; shapes, where there are no steps."""
    return int(job.params.get("n", 1)) * int(job.params.get("steps", 1))


def measured_work(job: Job, outcome: Outcome) -> int:
    """The work that was done in the time a job took; 0 where that tells nothing of other jobs.

    So it is where the job did not succeed, and where shapes were there already.
    """
    made = isinstance(outcome, Succeeded) and not outcome.reused
    return work_of(job) if made else 0
