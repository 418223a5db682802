"""Equal requests at the same moment, over REST and the whole service: one shape, computed once."""

import asyncio
import re
import time
from typing import Any

import httpx
import pytest
import trimesh

from tests.integration.conftest import Ports

FORMATS = ("glb", "obj", "ply", "stl", "glb", "obj")


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
def test_equal_requests_at_once_are_computed_once(ports: Ports, operation: str) -> None:
    computed, reused = "lagem_shapes_computed_total", "lagem_shapes_reused_total"
    before = {name: counted(ports.worker, name, operation) for name in (computed, reused)}
    box, params = None, {"resolution": 32}
    if operation == "generate":
        params |= {"seed": 5, "steps": 4}
    else:
        box = trimesh.creation.box((1.0, 0.6, 0.8)).export(file_type="glb")
    shapes = asyncio.run(submitted_at_once(ports.rest, f"/{operation}", params, box))
    assert len({shape["id"] for shape in shapes}) == 1
    assert len({str(shape["latents"]) for shape in shapes}) == 1
    assert [shape["mesh"]["format"] for shape in shapes] == list(FORMATS)
    assert sorted(shape["reused"] for shape in shapes) == [False] + [True] * (len(FORMATS) - 1)
    end = time.monotonic() + 30  # a job has ended for all to see before its worker counts it
    while counted(ports.worker, reused, operation) - before[reused] < len(FORMATS) - 1:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert counted(ports.worker, computed, operation) - before[computed] == 1
