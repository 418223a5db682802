"""The queue of the service tests for whole processes, and one whole service for all tests of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.ports import free_port
from tests.service.conftest import queue, redis, redis_server

__all__ = ["queue", "redis", "redis_server"]

START_TIMEOUT_S = 120.0


class Ports(NamedTuple):
    """Where `lagem serve` listens; ``worker`` is the worker's own, with its metrics."""

    rest: int
    grpc: int
    worker: int


@pytest.fixture(scope="package")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Ports of `lagem serve` with the bundled weights."""
    ports = Ports(free_port(), free_port(), free_port())
    settings = {
        "LAGEM_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "LAGEM_WORKER_PORT": str(ports.worker),
        "LAGEM_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "service.cli", "serve"]
    command += ["--port", str(ports.rest), "--grpc-port", str(ports.grpc)]
    server = subprocess.Popen(command, env=os.environ | settings)
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and not is_ready(ports.rest):
        assert server.poll() is None
        time.sleep(0.2)
    yield ports
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://localhost:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False
