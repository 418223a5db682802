"""Workers over a real queue, whose model process plays what the jobs say."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from service.jobqueue.queue import JobQueue
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import Job
from service.settings import WorkerSettings
from service.telemetry import WorkerMetrics
from service.worker.child import BatchEngine, Ready
from service.worker.process import EngineProcess
from service.worker.runner import Runner
from tests.service.worker import fake_engine


class WarmProcess(EngineProcess):
    """A model process that outlives its worker, to spare the next test the start."""

    def __init__(self) -> None:
        super().__init__(fake_engine.load, log_level="error")
        self._ready: Ready | None = None

    async def start(self) -> Ready:
        alive = self._process is not None and self._process.is_alive()
        if self._ready is None or not alive or self._open:
            self._ready = await super().start()
        elif self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return self._ready

    async def stop(self) -> None:
        if self._process is not None and not self._process.is_alive():
            await super().stop()
        elif self._reading is not None:  # its loop ends with the test
            await cancel_and_wait(self._reading)
            self._reading = None

    async def cool_down(self) -> None:
        await super().stop()


class Worker:
    """A runner in a task of the test's loop."""

    def __init__(self, queue: JobQueue, engine: EngineProcess, *, drain_s: float = 60.0) -> None:
        settings = WorkerSettings(lease_s=15.0, beat_s=0.2, slots=4, worker_drain_s=drain_s)
        self.engine = engine
        self.metrics = WorkerMetrics(CollectorRegistry(), version="0")
        self.runner = Runner(queue, self.engine, self.metrics, settings)
        self.task = asyncio.create_task(self.runner.run())

    async def ready(self) -> "Worker":
        await until(lambda: self.runner.ready or self.task.done())
        if self.task.done():
            self.task.result()
        return self

    async def stop(self) -> None:
        self.runner.stop()
        await self.task

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


Hire = Callable[..., Awaitable[Worker]]


def process(load: Callable[[], BatchEngine], silence_s: float = 90.0) -> EngineProcess:
    return EngineProcess(load, log_level="error", silence_s=silence_s)


async def until(condition: Callable[[], bool], timeout_s: float = 90.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (the worker knows nothing of tests)
            await asyncio.sleep(0.01)


async def finished(queue: JobQueue, job: Job, timeout_s: float = 90.0) -> Job:
    return await reached(queue, job, lambda job: job.state.terminal, timeout_s)


async def running(queue: JobQueue, job: Job) -> Job:
    return await reached(queue, job, lambda job: job.stage is not None)


async def reached(
    queue: JobQueue, job: Job, condition: Callable[[Job], bool], timeout_s: float = 90.0
) -> Job:
    async with asyncio.timeout(timeout_s):
        while True:
            current = await queue.get(job.id)
            assert current is not None
            if condition(current):
                return current
            await asyncio.sleep(0.01)
