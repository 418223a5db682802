"""Query parameters: which exist where, in which range."""

from __future__ import annotations

import httpx
import pytest

from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import code_of, generated, sphere_bytes


async def test_every_operation_can_ask_every_sample(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    shape = (await generated(client))["shapes"][0]["id"]
    for path, content in [
        ("/encode?exhaustive=true", sphere_bytes()),
        ("/generate?exhaustive=true", b""),
        (f"/resample?shape={shape}&exhaustive=true", b""),
        (f"/decode?shape={shape}&exhaustive=true", b""),
    ]:
        response = await client.post(path, content=content)
        assert response.status_code == 200, response.text
        assert response.json()["input"]["exhaustive"] is True
        assert response.json()["shapes"][0]["mesh"]["exhaustive"] is True
        mesh = await client.post(path, content=content, headers={"Accept": "model/stl"})
        assert mesh.headers["content-type"] == "model/stl"


@pytest.mark.parametrize(
    ("path", "code", "param"),
    [
        ("/generate?colour=red", "unknown_parameter", "colour"),
        ("/generate?keep_level=3", "irrelevant_parameter", "keep_level"),
        ("/generate?space=input", "irrelevant_parameter", "space"),
        ("/encode?seed=1", "irrelevant_parameter", "seed"),
        ("/decode?steps=8", "irrelevant_parameter", "steps"),
        ("/generate?exhaustive=2", "invalid_parameter", "exhaustive"),
        ("/generate?exhaustive=1&n=9&resolution=256", "invalid_parameter", "exhaustive"),
        ("/generate?n=1&n=2", "invalid_parameter", "n"),
        ("/generate?n=17", "invalid_parameter", "n"),
        ("/generate?n=x", "invalid_parameter", "n"),
        ("/generate?seed=-1", "invalid_parameter", "seed"),
        (f"/generate?seed={2**64}", "invalid_parameter", "seed"),
        ("/generate?steps=1", "invalid_parameter", "steps"),
        ("/generate?guidance=-1", "invalid_parameter", "guidance"),
        ("/generate?guidance=inf", "invalid_parameter", "guidance"),
        ("/generate?guidance=nan", "invalid_parameter", "guidance"),
        ("/generate?guidance=1e30", "invalid_parameter", "guidance"),
        ("/generate?guidance=100.1", "invalid_parameter", "guidance"),
        ("/generate?resolution=16", "invalid_parameter", "resolution"),
        ("/generate?resolution=1024", "invalid_parameter", "resolution"),
        ("/generate?format=fbx", "invalid_parameter", "format"),
        ("/generate?category=unicorn", "invalid_parameter", "category"),
        ("/generate?category=", "invalid_parameter", "category"),
        ("/resample?keep_level=1", "invalid_parameter", "keep_level"),
    ],
)
async def test_wrong_parameters_are_named(
    client: httpx.AsyncClient, worker: FakeWorker, path: str, code: str, param: str
) -> None:
    response = await client.post(path)
    assert code_of(response) == (422, code)
    problem = response.json()
    assert problem["param"] == param
    assert param in problem["detail"] or "category" in problem["detail"]
    assert problem["suggestion"] or "times" in problem["detail"]
    assert worker.seen == []


async def test_valid_parameters_are_listed(client: httpx.AsyncClient) -> None:
    problem = (await client.post("/generate?colour=red")).json()
    for name in ("category", "seed", "n", "steps", "guidance", "resolution", "format"):
        assert name in problem["suggestion"]
    assert "keep_level" not in problem["suggestion"]
