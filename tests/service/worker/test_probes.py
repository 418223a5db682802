"""The worker's probes over a real socket."""

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
