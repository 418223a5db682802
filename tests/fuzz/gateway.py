"""The gateway as a process of its own, with a fake worker in a thread of the tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import trimesh
from redis import Redis

from service.jobqueue.connection import connect
from service.jobqueue.queue import JobQueue
from service.jobqueue.records import WorkerInfo
from service.jobs import Operation, QueueLimits
from service.store.local import LocalBlobStore
from tests.fuzz.answers import check_answer
from tests.ports import free_port
from tests.service.gateway.fakeworker import MODEL, FakeWorker

MAX_UPLOAD = 4 * 2**20
PARSE_TIMEOUT_S = 10.0
UPLOAD_TIMEOUT_S = 2.0
_START_TIMEOUT_S = 60.0
_SETTLE_S = 10.0
_MOST_MEMORY = 300 * 2**20
_DEFECT = re.compile(r"Traceback|request failed|mesh reader failed|Task exception|never retrieved")
_BALL = trimesh.creation.icosphere(subdivisions=2).export(file_type="stl")


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs.

    Attributes:
        spool: the folder of its temporary files.
        log: its standard error.
    """

    url: str
    process: psutil.Process
    spool: Path
    log: Path
    client: httpx.Client
    redis: Redis

    def encode(self, mesh: bytes, **parameters: str) -> httpx.Response:
        """Upload a mesh; the answer has been checked."""
        return self.ask("POST", "/encode", content=mesh, params=parameters)

    def ask(self, method: str, path: str, **request: object) -> httpx.Response:
        """Send a request; the answer has been checked."""
        response = self.client.request(method, path, **request)  # type: ignore[arg-type]
        check_answer(response)
        return response

    def connect(self) -> socket.socket:
        """A raw connection."""
        address = httpx.URL(self.url)
        return socket.create_connection((address.host, address.port or 80), timeout=20)

    def answer(self, request: bytes, *, patience: float = 0.3) -> bytes:
        """All that comes back on a raw connection; where nothing does, this end stops to send."""
        received = b""
        with contextlib.suppress(ConnectionError), self.connect() as connection:
            connection.sendall(request)
            connection.settimeout(patience)
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except TimeoutError:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(20)
                while chunk := connection.recv(65536):
                    received += chunk
        return received

    def check(self, *, readers: bool = False) -> None:
        """All is well: good requests work, nothing is left over, nothing unforeseen was logged.

        Args:
            readers: ask each process that reads meshes.
        """
        assert self.process.is_running()
        for _ in range(2 if readers else 0):
            response = self.encode(_BALL)
            assert response.status_code == 200, response.text
        response = self.ask("POST", "/generate", params={"category": "table", "seed": "7"})
        assert response.status_code == 200, response.text
        end = time.monotonic() + _SETTLE_S
        while (left := self._left_over()) and time.monotonic() < end:
            time.sleep(0.02)
        assert not left
        assert _DEFECT.search(text := self.log.read_text()) is None, text[-3000:]
        assert _highest_memory(self.process.pid) < _MOST_MEMORY

    def _left_over(self) -> list[str]:
        """Live jobs, queues that are not empty, spooled files."""
        jobs = [job.decode() for job in self.redis.zrange("lg:live", 0, -1)]
        queues = [key.decode() for key in self.redis.keys("lg:q:*") if self.redis.xlen(key)]
        return jobs + queues + [path.name for path in self.spool.iterdir()]


def _highest_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return int(psutil.Process(pid).memory_info().rss)
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1]) * 1024


@contextlib.contextmanager
def running_gateway(redis_url: str, folder: Path, root: Path) -> Iterator[Gateway]:
    """Start ``python -m service.gateway``, end it in order."""
    port = free_port()
    (spool := folder / "spool").mkdir()
    settings = {
        "PORT": port,
        "GRPC_PORT": 0,
        "REDIS_URL": redis_url,
        "DATA_DIR": folder,
        "MAX_UPLOAD_BYTES": MAX_UPLOAD,
        "MAX_FACES": 20_000,
        "PARSE_TIMEOUT_S": PARSE_TIMEOUT_S,
        "UPLOAD_TIMEOUT_S": UPLOAD_TIMEOUT_S,
        "PARSE_MEMORY_BYTES": 256 * 2**20,
        "WAIT_S": 20,
    }
    environment = os.environ | {f"LAGEM_{name}": str(value) for name, value in settings.items()}
    environment["TMPDIR"] = str(spool)
    command = [sys.executable, "-m", "service.gateway"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=root, env=environment, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        Redis.from_url(redis_url) as redis,
    ):
        try:
            _await_start(client)
            yield Gateway(
                url=str(client.base_url),
                process=psutil.Process(process.pid),
                spool=spool,
                log=folder / "log",
                client=client,
                redis=redis,
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def _await_start(client: httpx.Client) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end:
        with contextlib.suppress(httpx.ConnectError):
            client.get("/livez")
            return
        time.sleep(0.05)
    raise TimeoutError("the gateway does not start")


@contextlib.contextmanager
def running_worker(redis_url: str, folder: Path) -> Iterator[None]:
    """A fake worker that beats until the context ends."""
    end = threading.Event()

    async def work() -> None:
        redis = connect(redis_url, 60)  # patient: the machine may be busy
        queue = JobQueue(redis, QueueLimits())
        sign = WorkerInfo(
            id="beating",
            device="cpu",
            slots=1,
            operations=tuple(Operation),
            model=MODEL,
            started_ms=0,
            beat_ms=0,
        )
        async with FakeWorker(queue, LocalBlobStore(folder / "blobs"), MODEL) as worker:
            while not end.is_set():
                await queue.heartbeat(sign)
                assert not worker._task.done(), worker._task
                await asyncio.sleep(0.5)
        await redis.aclose()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
