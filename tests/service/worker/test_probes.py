"""The worker's probes over a real socket."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.worker.probes import Probes


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("lagem_worker_slots", "Slots.", registry=registry).set(3)
    return registry


@pytest.mark.parametrize(
    ("ready", "path", "status"),
    [
        (False, "/livez", 200),
        (False, "/readyz", 503),
        (True, "/readyz", 200),
        (True, "/metrics", 200),
        (True, "/", 404),
    ],
)
async def test_answers(registry: CollectorRegistry, ready: bool, path: str, status: int) -> None:
    async with (
        Probes(lambda: ready, registry).listening("127.0.0.1", 0) as port,
        httpx.AsyncClient() as client,
    ):
        response = await client.get(f"http://127.0.0.1:{port}{path}")
    assert response.status_code == status
    assert ("lagem_worker_slots 3.0" in response.text) == (path == "/metrics")


async def test_only_get_is_answered(registry: CollectorRegistry) -> None:
    async with (
        Probes(lambda: True, registry).listening("127.0.0.1", 0) as port,
        httpx.AsyncClient() as client,
    ):
        response = await client.post(f"http://127.0.0.1:{port}/livez")
    assert response.status_code == 405


async def test_a_head_beyond_all_measure_is_hung_up_on(registry: CollectorRegistry) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with Probes(lambda: True, registry).listening("127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nA: " + b"a" * 200_000)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):  # unread bytes make it one
                assert await reader.read() == b""
        writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
    assert faults == []
