"""``python -m service.worker``: run jobs until SIGTERM or Ctrl-C. Settings: ``LAGEM_*``."""

import asyncio
import signal
import sys
from functools import partial
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from service.jobqueue.connection import connect
from service.jobqueue.embedded import EmbeddedServerError, redis_server
from service.jobqueue.queue import JobQueue
from service.settings import UnknownVariableError, WorkerSettings
from service.telemetry import WorkerMetrics, configure_logging
from service.worker.child import load_engine
from service.worker.probes import Probes
from service.worker.process import EngineLoadError, EngineProcess
from service.worker.runner import DrainTimeoutError, Runner

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (probes come from outside the container)


def main() -> None:
    """Run a worker with the settings of the environment; exit code 1 where it cannot work."""
    try:
        settings = WorkerSettings.from_environment()
        configure_logging(settings.log_level)
        with redis_server(settings.redis_url, settings.data_dir) as redis_url:
            asyncio.run(work(settings, redis_url))
    except (UnknownVariableError, ValidationError, EmbeddedServerError) as error:
        sys.exit(f"lagem worker: {error}")
    except EngineLoadError as error:
        sys.exit(f"lagem worker: the model cannot be loaded: {error}")
    except (DrainTimeoutError, OSError) as error:
        sys.exit(f"lagem worker: {error}")


async def work(settings: WorkerSettings, redis_url: str) -> None:
    """Run one worker until it is told to stop, with its probes."""
    redis = connect(redis_url, settings.redis_timeout_s)
    metrics = WorkerMetrics(CollectorRegistry(), version=version("lagem"))
    engine = EngineProcess(partial(load_engine, settings), log_level=settings.log_level)
    runner = Runner(JobQueue(redis, settings.queue_limits), engine, metrics, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runner.stop)
    probes = Probes(lambda: runner.ready, metrics.registry)
    try:
        async with probes.listening(_ANY_ADDRESS, settings.worker_port) as port:
            structlog.get_logger().info("worker_started", worker=runner.id, probes_port=port)
            await runner.run()
    finally:
        await redis.aclose()


if __name__ == "__main__":
    main()
