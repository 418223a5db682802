"""``POST /resample`` and ``/decode``: latents of shapes, uploaded, and mixed."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
import trimesh

from model.latentfile import LatentFile
from tests.service.gateway.fakeworker import LEVELS, MODEL, FakeWorker, drawn_levels
from tests.service.gateway.wire import code_of, generated, latents_bytes, sphere_bytes


async def test_resample_a_shape(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    (parent,) = (await generated(client))["shapes"]
    response = await client.post(
        "/resample", params={"shape": parent["id"], "keep_level": 2, "seed": 100, "n": 2}
    )
    job = response.json()
    assert response.status_code == 200, response.text
    assert job["input"]["category"] == "table"
    for shape in job["shapes"]:
        assert shape["parents"] == [parent["id"]]
        assert shape["latents"]["3"]["sha256"] == parent["latents"]["3"]["sha256"]
        assert shape["latents"]["2"]["sha256"] == parent["latents"]["2"]["sha256"]
        assert shape["latents"]["1"]["sha256"] != parent["latents"]["1"]["sha256"]


@pytest.mark.parametrize("container", ["safetensors", "npz"])
async def test_resample_downloaded_latents(
    client: httpx.AsyncClient, worker: FakeWorker, container: str
) -> None:
    encoded = (await client.post("/encode", content=sphere_bytes())).json()
    (parent,) = encoded["shapes"]
    file = await client.get(f"/shapes/{parent['id']}/latents?format={container}")
    response = await client.post("/resample?seed=1", content=file.content)
    (shape,) = response.json()["shapes"]
    assert shape["parents"] == [parent["id"]]
    assert shape["latents"]["3"]["sha256"] == parent["latents"]["3"]["sha256"]
    assert shape["normalization"] == parent["normalization"]


async def test_decode_a_shape_makes_no_new_one(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    (parent,) = (await generated(client))["shapes"]
    response = await client.post(
        f"/decode?shape={parent['id']}&resolution=128", headers={"Accept": "model/stl"}
    )
    assert response.status_code == 200, response.text
    assert response.headers["x-lagem-shape"] == parent["id"]
    assert "x-lagem-seed" not in response.headers
    assert len(trimesh.load(io.BytesIO(response.content), file_type="stl").faces) == 80


async def test_mixed_levels(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    first, second = (await generated(client, n=2))["shapes"]
    response = await client.post(
        "/decode", params={"level3": first["id"], "level2": second["id"], "level1": second["id"]}
    )
    (shape,) = response.json()["shapes"]
    assert shape["parents"] == [first["id"], second["id"]]
    assert shape["latents"]["3"]["sha256"] == first["latents"]["3"]["sha256"]
    assert shape["latents"]["1"]["sha256"] == second["latents"]["1"]["sha256"]
    missing = await client.post("/decode", params={"level3": first["id"]})
    assert code_of(missing) == (422, "invalid_parameter")
    assert missing.json()["param"] == "level2"


@pytest.mark.parametrize(
    ("query", "content", "expected", "param"),
    [
        ("", b"", (422, "invalid_parameter"), "shape"),
        ("shape=shp_none", b"", (404, "not_found"), "shape"),
        ("shape=shp_none", latents_bytes(), (422, "invalid_parameter"), "shape"),
        ("", b"nonsense", (422, "invalid_latents"), None),
        ("", latents_bytes(level1=np.ones((2, 2), np.float32)), (422, "invalid_latents"), None),
        ("", latents_bytes("cd" * 32), (422, "weights_mismatch"), "any_weights"),
        ("", latents_bytes(None), (422, "weights_mismatch"), "any_weights"),
        ("level3=shp_a", latents_bytes(), (422, "invalid_parameter"), None),
        ("level3=shp_a&shape=shp_b", b"", (422, "invalid_parameter"), "shape"),
    ],
)
async def test_wrong_latents(
    client: httpx.AsyncClient,
    worker: FakeWorker,
    query: str,
    content: bytes,
    expected: tuple[int, str],
    param: str | None,
) -> None:
    response = await client.post(f"/decode?{query}", content=content)
    assert code_of(response) == expected
    assert response.json()["param"] == param


@pytest.mark.parametrize(
    ("key", "value"), [("seed", "seven"), ("seed", str(2**64)), ("normalization", '{"scale": 1}')]
)
async def test_wrong_metadata_of_latents(
    client: httpx.AsyncClient, worker: FakeWorker, key: str, value: str
) -> None:
    metadata = {"weights_sha256": MODEL["weights_sha256"], key: value}
    response = await client.post(
        "/resample", content=LatentFile(drawn_levels(0), metadata).to_safetensors()
    )
    assert code_of(response) == (422, "invalid_latents")
    assert key in response.json()["detail"]


async def test_other_weights_on_demand(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/decode?any_weights=true", content=latents_bytes("cd" * 32))
    assert response.status_code == 200, response.text
    assert response.json()["shapes"][0]["latents"]["3"]["shape"] == list(LEVELS[3])
