"""``POST /resample`` and ``/decode``: latents of shapes, uploaded, and mixed."""

from __future__ import annotations

import hashlib
import io
import json

import httpx
import numpy as np
import pytest
import trimesh
from safetensors.numpy import save

from model.latentfile import LatentFile
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref
from tests.service.gateway.fakeworker import LEVELS, MODEL, FakeWorker, drawn_levels
from tests.service.gateway.wire import code_of, generated, latents_bytes, sphere_bytes

HUGE = drawn_levels(0)[1] * np.float32(1e30)


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


@pytest.mark.parametrize("container", ["safetensors", "npz"])
async def test_decoding_downloaded_latents_makes_no_new_shape(
    client: httpx.AsyncClient, worker: FakeWorker, container: str
) -> None:
    (parent,) = (await generated(client))["shapes"]
    file = await client.get(f"/shapes/{parent['id']}/latents?format={container}")
    (shape,) = (await client.post("/decode?resolution=128", content=file.content)).json()["shapes"]
    assert (shape["id"], shape["parents"]) == (parent["id"], parent["parents"])
    kept = (await client.get(f"/shapes/{parent['id']}")).json()
    assert (kept["seed"], kept["category"]) == (parent["seed"], parent["category"])
    latents = LatentFile.from_bytes(file.content)
    latents.levels[1][0, 0] += 1
    response = await client.post("/decode", content=latents.to_safetensors())
    (child,) = response.json()["shapes"]
    assert child["id"] != parent["id"]
    assert child["parents"] == [parent["id"]]


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
        ("", latents_bytes(level1=HUGE), (422, "invalid_latents"), None),
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


async def test_a_shape_without_the_level_that_it_is_named_for(
    client: httpx.AsyncClient, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    first, second = (await generated(client, n=2))["shapes"]
    fewer = {level: vectors for level, vectors in drawn_levels(7).items() if level != 3}
    await blobs.put(latents_ref(first["id"]), LatentFile(fewer).to_safetensors())
    levels = {"level3": first["id"], "level2": second["id"], "level1": second["id"]}
    response = await client.post("/decode", params=levels | {"any_weights": True})
    assert code_of(response) == (422, "invalid_latents")
    assert response.json()["param"] == "level3"
    assert first["id"] in response.json()["detail"]


async def test_other_weights_on_demand(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/decode?any_weights=true", content=latents_bytes("cd" * 32))
    assert response.status_code == 200, response.text
    assert response.json()["shapes"][0]["latents"]["3"]["shape"] == list(LEVELS[3])


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


LEVEL_ARRAYS = {f"level{level}": vectors for level, vectors in drawn_levels(0).items()}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (save(LEVEL_ARRAYS | {"level1": np.full(LEVELS[1], np.nan, np.float32)}), "level1"),
        (npz(**LEVEL_ARRAYS | {"level2": np.full(LEVELS[2], np.inf, np.float32)}), "level2"),
        (npz(level3=LEVEL_ARRAYS["level3"]), "level"),
        (npz(**LEVEL_ARRAYS | {"level3": np.array([{}], dtype=object)}), "level3"),
        (npz(**LEVEL_ARRAYS | {"level3": LEVEL_ARRAYS["level3"][None]}), "level3"),
        (npz(**LEVEL_ARRAYS, level4=np.ones((1, 1), np.float32)), "level4"),
    ],
)
async def test_latents_that_are_not_what_they_should_be_are_told_apart(
    client: httpx.AsyncClient, worker: FakeWorker, content: bytes, cause: str
) -> None:
    for path in ("/decode?any_weights=true", "/resample?any_weights=true"):
        response = await client.post(path, content=content)
        assert code_of(response) == (422, "invalid_latents")
        assert cause in response.json()["detail"]
    assert worker.seen == []


async def test_latents_may_be_a_form(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    files = {"file": ("shape.npz", npz(**LEVEL_ARRAYS), "application/octet-stream")}
    response = await client.post("/decode?any_weights=true", files=files)
    assert response.status_code == 200, response.text


async def test_downloaded_latents_say_where_they_come_from(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    (shape,) = (await generated(client))["shapes"]
    response = await client.get(f"/shapes/{shape['id']}/latents")
    latents = LatentFile.from_safetensors(response.content)
    assert (
        latents.metadata.items()
        >= {
            "shape": shape["id"],
            "model": MODEL["name"],
            "weights_sha256": MODEL["weights_sha256"],
            "category": "table",
            "seed": "7",
        }.items()
    )
    assert json.loads(latents.metadata["normalization"]) == shape["normalization"]
    for level, vectors in latents.levels.items():
        digest = hashlib.sha256(vectors.tobytes()).hexdigest()
        assert digest == shape["latents"][str(level)]["sha256"]


async def test_latents_have_one_of_two_containers(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    path = f"/shapes/{(await generated(client))['shapes'][0]['id']}/latents"
    refused = await client.get(f"{path}?format=pickle")
    assert code_of(refused) == (422, "invalid_parameter")
    with np.load(io.BytesIO((await client.get(f"{path}?format=npz")).content)) as arrays:
        for level, size in LEVELS.items():
            assert (arrays[f"level{level}"].shape, arrays[f"level{level}"].dtype) == (size, "f4")
