"""Engines and workers for tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch

from model.autoencoder import AutoEncoder
from model.checkpoint import Checkpoint
from model.diffusion.cascade import Cascade
from model.pipeline import ShapePipeline
from service.jobqueue.queue import JobQueue
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import QueueLimits
from service.settings import WorkerSettings
from service.store.local import LocalBlobStore
from service.worker.engine import Engine
from service.worker.finisher import Finisher
from service.worker.process import EngineProcess
from tests.service.worker.engines import TINY, Make, SpherePipeline
from tests.service.worker.workers import Hire, WarmProcess, Worker, until


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    assert TINY.cascade is not None
    autoencoder = AutoEncoder(TINY.autoencoder).eval().requires_grad_(False)
    cascade = Cascade(TINY.cascade, TINY.autoencoder).eval().requires_grad_(False)
    return Checkpoint(TINY, autoencoder, cascade, "f" * 64)


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path)


@pytest.fixture
def make(checkpoint: Checkpoint, store: LocalBlobStore) -> Iterator[Make]:
    engines: list[Engine] = []

    def make(kind: type[ShapePipeline] = SpherePipeline) -> Engine:
        engines.append(Engine(kind(checkpoint, "cpu"), store, finisher, WorkerSettings()))
        return engines[-1]

    with contextlib.closing(Finisher(store, retention_s=60, mesh_retention_s=60)) as finisher:
        yield make
        for engine in engines:
            engine.close()


@pytest.fixture
def limits() -> QueueLimits:
    return QueueLimits(lease_ms=15_000, retry_pause_ms=0)


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcess]:
    warm = WarmProcess()
    yield warm
    asyncio.run(warm.cool_down())


@pytest_asyncio.fixture
async def hire(queue: JobQueue, warm: WarmProcess) -> AsyncIterator[Hire]:
    """Starts workers that are gone after the test."""
    workers: list[Worker] = []

    async def hire(engine: EngineProcess = warm, *, drain_s: float = 60.0) -> Worker:
        workers.append(Worker(queue, engine, drain_s=drain_s))
        return await workers[-1].ready()

    yield hire
    for worker in workers:
        await until(lambda worker=worker: not worker.runner._executions or worker.task.done())
        await cancel_and_wait(worker.task)


@pytest_asyncio.fixture
async def worker(hire: Hire) -> Worker:
    return await hire()
