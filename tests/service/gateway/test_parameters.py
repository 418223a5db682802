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
        ("/generate?seed=1_0", "invalid_parameter", "seed"),
        ("/generate?seed=+1", "invalid_parameter", "seed"),
        ("/generate?seed=1.0", "invalid_parameter", "seed"),
        ("/generate?seed=%D9%A1", "invalid_parameter", "seed"),
        ("/generate?seed=", "invalid_parameter", "seed"),
        ("/generate?guidance=%201", "invalid_parameter", "guidance"),
        ("/generate?seed=1e1", "invalid_parameter", "seed"),
        ("/generate?guidance=1_0", "invalid_parameter", "guidance"),
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
        ("/resample?keep_level=4", "invalid_parameter", "keep_level"),
        ("/generate?n=0", "invalid_parameter", "n"),
        ("/generate?steps=129", "invalid_parameter", "steps"),
        ("/generate?resolution=31", "invalid_parameter", "resolution"),
        ("/generate?resolution=513", "invalid_parameter", "resolution"),
        ("/generate?target_faces=3", "invalid_parameter", "target_faces"),
        ("/encode?space=mine", "invalid_parameter", "space"),
        ("/generate?filename=a.obj", "irrelevant_parameter", "filename"),
        ("/generate?shape=shp_1", "irrelevant_parameter", "shape"),
        ("/encode?category=table", "irrelevant_parameter", "category"),
        ("/encode?any_weights=true", "irrelevant_parameter", "any_weights"),
        ("/decode?guidance=2", "irrelevant_parameter", "guidance"),
        ("/resample?level3=shp_1", "irrelevant_parameter", "level3"),
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


@pytest.mark.parametrize(
    "query",
    [
        *("n=1", "n=16", "seed=0", f"seed={2**64 - 1}", "steps=2", "steps=128"),
        *("guidance=0", "guidance=100", "resolution=32", "resolution=512"),
        *("target_faces=4", "format=glb", "format=obj", "format=ply", "format=stl"),
    ],
)
async def test_the_ends_of_ranges_belong_to_them(
    client: httpx.AsyncClient, worker: FakeWorker, query: str
) -> None:
    response = await client.post(f"/generate?category=table&{query}")
    assert response.status_code == 200, response.text
    name, _, value = query.partition("=")
    assert str(response.json()["input"][name]).removesuffix(".0") == value


@pytest.mark.parametrize(
    ("path", "param", "code"),
    [
        ("/jobs?seed=1", "seed", "irrelevant_parameter"),
        ("/jobs/job_1?limit=1", "limit", "irrelevant_parameter"),
        ("/jobs/job_1/events?after=3", "after", "irrelevant_parameter"),
        ("/shapes/shp_1?format=glb", "format", "irrelevant_parameter"),
        ("/shapes/shp_1/mesh?seed=1", "seed", "irrelevant_parameter"),
        ("/shapes/shp_1/mesh?colour=red", "colour", "unknown_parameter"),
        ("/shapes/shp_1/mesh?resolution=513", "resolution", "invalid_parameter"),
        ("/shapes/shp_1/mesh?format=fbx", "format", "invalid_parameter"),
        ("/shapes/shp_1/latents?resolution=64", "resolution", "irrelevant_parameter"),
        ("/shapes/shp_1/tree?depth=2", "depth", "unknown_parameter"),
        ("/categories?n=1", "n", "irrelevant_parameter"),
        ("/metrics?colour=red", "colour", "unknown_parameter"),
        ("/?colour=red", "colour", "unknown_parameter"),
    ],
)
async def test_lookups_refuse_parameters_by_name_too(
    client: httpx.AsyncClient, path: str, param: str, code: str
) -> None:
    response = await client.get(path)
    assert code_of(response) == (422, code)
    assert response.json()["param"] == param


async def test_valid_parameters_are_listed(client: httpx.AsyncClient) -> None:
    problem = (await client.post("/generate?colour=red")).json()
    for name in ("category", "seed", "n", "steps", "guidance", "resolution", "format"):
        assert name in problem["suggestion"]
    assert "keep_level" not in problem["suggestion"]


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("seed=007", "seed", 7),
        (f"seed={2**64 - 1}", "seed", 2**64 - 1),
        ("guidance=1.5", "guidance", 1.5),
        ("guidance=.5", "guidance", 0.5),
        ("guidance=5.", "guidance", 5.0),
        ("guidance=1e1", "guidance", 10.0),
    ],
)
async def test_plain_numbers_are_read(
    client: httpx.AsyncClient, worker: FakeWorker, query: str, name: str, value: float
) -> None:
    response = await client.post(f"/generate?{query}")
    assert response.status_code == 200, response.text
    assert response.json()["input"][name] == value
