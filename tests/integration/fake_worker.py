"""A worker process without a model: ``python -m tests.integration.fake_worker REDIS_URL``."""

import asyncio
import signal
import sys

from prometheus_client import CollectorRegistry

from service.jobqueue.connection import connect
from service.jobqueue.queue import JobQueue
from service.settings import WorkerSettings
from service.telemetry import WorkerMetrics
from service.worker.process import EngineProcess
from service.worker.runner import Runner
from tests.service.worker import fake_engine


async def work(redis_url: str) -> None:
    settings = WorkerSettings(lease_s=2.0, beat_s=0.2, slots=2, worker_drain_s=5.0)
    redis = connect(redis_url)
    engine = EngineProcess(fake_engine.load, log_level="error")
    metrics = WorkerMetrics(CollectorRegistry(), version="0")
    runner = Runner(JobQueue(redis, settings.queue_limits), engine, metrics, settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.stop)
    await runner.run()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
