"""Equal requests at the same moment, over REST and the whole service: one shape, computed once."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trimesh

from tests.integration.test_api_page import START_TIMEOUT_S, is_ready
from tests.ports import free_port

FORMATS = ("glb", "obj", "ply", "stl", "glb", "obj")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of `lagem serve`: REST, and the worker's own with its metrics."""
    rest, worker = free_port(), free_port()
    settings = {
        "LAGEM_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "LAGEM_WORKER_PORT": str(worker),
        "LAGEM_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(rest)]
    server = subprocess.Popen(
        [*command, "--grpc-port", str(free_port())], env=os.environ | settings
    )
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and not is_ready(rest):
        assert server.poll() is None
        time.sleep(0.2)
    yield rest, worker
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def counted(port: int, name: str, operation: str) -> float:
    text = httpx.get(f"http://localhost:{port}/metrics").text
    found = re.search(rf'^{name}{{op="{operation}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def submitted_at_once(
    port: int, path: str, params: dict[str, Any], data: bytes | None
) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=120) as client:
        answers = await asyncio.gather(
            *(client.post(path, params=params | {"format": each}, content=data) for each in FORMATS)
        )
    assert [answer.status_code for answer in answers] == [200] * len(FORMATS)
    return [answer.json()["shapes"][0] for answer in answers]


@pytest.mark.parametrize("operation", ["generate", "encode"])
def test_equal_requests_at_once_are_computed_once(ports: tuple[int, int], operation: str) -> None:
    rest, worker = ports
    box, params = None, {"resolution": 32}
    if operation == "generate":
        params |= {"seed": 5, "steps": 4}
    else:
        box = trimesh.creation.box((1.0, 0.6, 0.8)).export(file_type="glb")
    shapes = asyncio.run(submitted_at_once(rest, f"/{operation}", params, box))
    assert len({shape["id"] for shape in shapes}) == 1
    assert len({str(shape["latents"]) for shape in shapes}) == 1
    assert [shape["mesh"]["format"] for shape in shapes] == list(FORMATS)
    assert sorted(shape["reused"] for shape in shapes) == [False] + [True] * (len(FORMATS) - 1)
    assert counted(worker, "lagem_shapes_computed_total", operation) == 1
    end = time.monotonic() + 30  # a job has ended for all to see before its worker counts it
    while counted(worker, "lagem_shapes_reused_total", operation) < len(FORMATS) - 1:
        assert time.monotonic() < end
        time.sleep(0.05)
