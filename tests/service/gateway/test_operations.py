"""The four operations over HTTP: what they take, how they wait, what they answer."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile

import httpx
import numpy as np
import pytest
import trimesh

from model.latentfile import LatentFile
from service.errors import EmptySurface
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import JobState
from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import LEVELS, MODEL, FakeWorker, drawn_levels


def sphere_bytes(file_type: str = "glb", center: tuple[float, float, float] = (3, 4, 5)) -> bytes:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=2.0)
    mesh.apply_translation(center)
    data = mesh.export(file_type=file_type)
    return data.encode() if isinstance(data, str) else data


def code_of(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    return response.status_code, problem["code"]


async def generated(client: httpx.AsyncClient, **params: object) -> dict:
    response = await client.post("/generate", params={"category": "table", "seed": 7, **params})
    assert response.status_code == 200, response.text
    return response.json()


async def test_generate_waits_and_answers_with_the_job(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    response = await client.post("/generate?category=table&seed=7&n=2")
    job = response.json()
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=10"
    assert (job["state"], job["progress"], job["object"]) == ("succeeded", 1.0, "job")
    assert [shape["seed"] for shape in job["shapes"]] == [7, 8]
    assert job["model"]["weights_sha256"] == MODEL["weights_sha256"]
    assert job["input"] == {
        "category": "table",
        "seed": 7,
        "n": 2,
        "steps": 4,
        "guidance": 1.5,
        "resolution": 64,
        "format": "glb",
        "exhaustive": False,
    }
    assert worker.seen[0].batch_key == f"generate/{'ab' * 8}/steps=4/guidance=1.5/resolution=64"


async def test_every_route_exists_under_v1(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/v1/generate?category=chair")
    assert response.status_code == 200
    again = await client.get(f"/v1/jobs/{response.json()['id']}")
    assert again.json()["input"]["category"] == "chair"
    assert code_of(await client.get("/v1/models?n=1")) == (422, "irrelevant_parameter")


async def test_a_seed_is_chosen_and_told(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    jobs = [(await client.post("/generate?category=table")).json() for _ in range(2)]
    seeds = [job["shapes"][0]["seed"] for job in jobs]
    assert seeds[0] != seeds[1]
    assert all(job["input"]["seed"] == seed < 2**53 for job, seed in zip(jobs, seeds, strict=True))


async def test_seeds_wrap_at_the_largest(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    job = await generated(client, seed=2**64 - 1, n=2)
    assert [shape["seed"] for shape in job["shapes"]] == [2**64 - 1, 0]


async def test_the_mesh_itself_when_accepted(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    for media_type, file_type in [
        ("model/gltf-binary", "glb"),
        ("model/obj", "obj"),
        ("model/stl", "stl"),
        ("application/ply", "ply"),
    ]:
        response = await client.post(
            "/generate?category=table&seed=9", headers={"Accept": media_type}
        )
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("model/")
        assert response.headers["x-lagem-seed"] == "9"
        shape = (await client.get(f"/shapes/{response.headers['x-lagem-shape']}")).json()
        assert shape["mesh"]["format"] == file_type
        assert (await client.get(f"/jobs/{response.headers['x-lagem-job']}")).status_code == 200
        mesh = trimesh.load(io.BytesIO(response.content), file_type=file_type, force="mesh")
        assert len(mesh.faces) == 80


async def test_a_zip_holds_everything(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post(
        "/generate?category=table&n=2&seed=1", headers={"Accept": "application/zip"}
    )
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    job = json.loads(archive.read("job.json"))
    first, second = (shape["id"] for shape in job["shapes"])
    assert set(archive.namelist()) == {
        "job.json",
        *(
            f"{shape}/{name}"
            for shape in (first, second)
            for name in ("mesh.glb", "latents.safetensors")
        ),
    }
    latents = LatentFile.from_safetensors(archive.read(f"{second}/latents.safetensors"))
    np.testing.assert_array_equal(latents.levels[3], drawn_levels(2)[3])


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("text/html", "", (406, "not_acceptable")),
        ("model/obj", "n=2", (422, "invalid_parameter")),
        ("model/obj", "format=ply", (422, "invalid_parameter")),
    ],
)
async def test_what_cannot_be_answered_is_refused_before_any_work(
    client: httpx.AsyncClient,
    worker: FakeWorker,
    accept: str,
    query: str,
    expected: tuple[int, str],
) -> None:
    response = await client.post(f"/generate?{query}", headers={"Accept": accept})
    assert code_of(response) == expected
    assert worker.seen == []


async def test_respond_async(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    response = await client.post("/generate", headers={"Prefer": "respond-async"})
    job = response.json()
    assert response.status_code == 202
    assert job["state"] in ("queued", "running")
    assert response.headers["location"] == f"/jobs/{job['id']}"
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["preference-applied"] == "respond-async"
    worker.open.set()


async def test_a_wait_that_is_too_short(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    response = await client.post(
        "/generate", headers={"Prefer": "wait=1", "Accept": "model/gltf-binary"}
    )
    assert response.status_code == 202
    assert response.json()["state"] == "running"
    assert response.headers["preference-applied"] == "wait=1"


async def test_a_failed_job_answers_with_its_own_error(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.failure = EmptySurface("No surface.", suggestion="Another seed.")
    response = await client.post("/generate?category=table")
    assert code_of(response) == (500, "empty_surface")
    assert response.headers["preference-applied"] == "wait=10"
    problem = response.json()
    assert problem["job"] == worker.seen[0].id
    assert (problem["detail"], problem["suggestion"]) == ("No surface.", "Another seed.")
    job = (await client.get(f"/jobs/{problem['job']}")).json()
    assert (job["state"], job["error"]["code"]) == ("failed", "empty_surface")


@pytest.mark.parametrize("key", [None, "k1"])
async def test_a_caller_who_leaves_cancels_unless_there_is_a_key(
    client: httpx.AsyncClient, worker: FakeWorker, own_queue: JobQueue, key: str | None
) -> None:
    worker.open.clear()
    headers = {"Idempotency-Key": key} if key else {}
    call = asyncio.create_task(client.post("/generate?seed=1", headers=headers))
    await asyncio.wait_for(worker.running.wait(), 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    if key:
        await asyncio.sleep(0.2)
        worker.open.set()
    async with JobWaiters(own_queue) as waiters:
        ended = await waiters.wait(worker.seen[0].id, 5)
    assert ended.state is (JobState.SUCCEEDED if key else JobState.CANCELED)


async def test_idempotency(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = await client.post("/generate?category=table", headers=headers)
    again = await client.post("/generate?category=table", headers=headers)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = await client.post("/generate?category=chair", headers=headers)
    assert code_of(other) == (422, "idempotency_conflict")
    assert len(worker.seen) == 1


async def test_idempotency_covers_the_body(
    client: httpx.AsyncClient, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    headers = {"Idempotency-Key": "mesh-1"}
    first, again = [
        await client.post("/encode", content=sphere_bytes(), headers=headers) for _ in range(2)
    ]
    assert again.json()["id"] == first.json()["id"]
    other = await client.post("/encode", content=sphere_bytes(center=(0, 0, 0)), headers=headers)
    assert code_of(other) == (422, "idempotency_conflict")
    # Inputs of requests that made no job are not left behind.
    folder = blobs._root / "inputs"
    assert {file.stem for file in folder.glob("*.npy")} >= {first.json()["id"]}
    assert again.json()["id"] in {job.id for job in worker.seen}


@pytest.mark.parametrize("file_type", ["glb", "obj", "stl", "ply", "off"])
async def test_encode_takes_raw_bytes(
    client: httpx.AsyncClient, worker: FakeWorker, file_type: str
) -> None:
    response = await client.post("/encode", content=sphere_bytes(file_type))
    assert response.status_code == 200, response.text
    (shape,) = response.json()["shapes"]
    np.testing.assert_allclose(shape["normalization"]["center"], (3, 4, 5), atol=1e-6)
    assert shape["normalization"]["scale"] == pytest.approx(0.5, rel=1e-3)
    assert shape["metrics"] == {"chamfer": 0.01}
    assert response.json()["input"]["source"]["faces"] == 320
    assert response.json()["timings_ms"]["preprocess"] > 0
    lower, upper = shape["mesh"]["bounds"]
    np.testing.assert_allclose(np.add(lower, upper) / 2, (3, 4, 5), atol=0.1)


async def test_encode_takes_a_form(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    files = {"file": ("../../ball.obj", sphere_bytes("obj"), "model/obj")}
    response = await client.post("/encode?resolution=32", files=files)
    assert response.status_code == 200, response.text
    assert response.json()["input"]["source"]["filename"] == "ball.obj"
    assert response.json()["input"]["resolution"] == 32


@pytest.mark.parametrize(
    ("files", "data", "expected"),
    [
        ({"mesh": ("a.obj", b"x")}, {}, (422, "unknown_parameter")),
        ({"file": ("a.obj", b"x")}, {"resolution": "64"}, (422, "unknown_parameter")),
        ({"file": (None, b"x")}, {}, (422, "invalid_parameter")),
    ],
)
async def test_wrong_forms(
    client: httpx.AsyncClient,
    worker: FakeWorker,
    files: dict,
    data: dict,
    expected: tuple[int, str],
) -> None:
    assert code_of(await client.post("/encode", files=files, data=data)) == expected


@pytest.mark.parametrize("charset", ["undefined", "unicode_escape", "utf-7", "punycode", "utf-16"])
async def test_a_form_in_a_charset_of_its_own(
    client: httpx.AsyncClient, worker: FakeWorker, charset: str
) -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="\\ud800 +2AA-"\r\n\r\n'
    content_type = f'multipart/form-data; boundary=B; charset="{charset}"'
    response = await client.post(
        "/encode",
        content=part + sphere_bytes("stl") + b"\r\n--B--\r\n",
        headers={"Content-Type": content_type},
    )
    assert code_of(response) == (400, "malformed_request")
    assert charset in response.json()["detail"]
    assert response.json()["param"] == "Content-Type"


async def test_a_broken_form(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post(
        "/encode", content=b"nonsense", headers={"Content-Type": "multipart/form-data"}
    )
    assert code_of(response) == (400, "malformed_request")


NAN_OBJ = b"v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (400, "malformed_request")),
        (b"just some text\n", (415, "unsupported_mesh_format")),
        (b"PK\x03\x04zip", (415, "unsupported_mesh_format")),
        (sphere_bytes()[:-100], (422, "malformed_mesh")),
        (NAN_OBJ, (422, "non_finite_mesh")),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", (422, "invalid_mesh_index")),
        (b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", (422, "empty_mesh")),
    ],
)
async def test_wrong_meshes(
    client: httpx.AsyncClient, worker: FakeWorker, content: bytes, expected: tuple[int, str]
) -> None:
    response = await client.post("/encode", content=content)
    assert code_of(response) == expected
    assert response.json()["suggestion"]
    assert worker.seen == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_a_body(
    client: httpx.AsyncClient, worker: FakeWorker, chunked: bool
) -> None:
    async def chunks():
        for _ in range(20):
            yield bytes(2**16)

    response = await client.post("/encode", content=chunks() if chunked else bytes(2**20 + 1))
    assert code_of(response) == (413, "mesh_too_large")


async def test_too_many_faces(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=6)
    response = await client.post("/encode", content=mesh.export(file_type="glb"))
    assert code_of(response) == (413, "mesh_too_large")


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


def latents_bytes(weights: str | None = MODEL["weights_sha256"], **changes: np.ndarray) -> bytes:
    levels = drawn_levels(0) | {int(name[-1]): value for name, value in changes.items()}
    metadata = {} if weights is None else {"weights_sha256": weights}
    return LatentFile(levels, metadata).to_safetensors()


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


async def test_other_weights_on_demand(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/decode?any_weights=true", content=latents_bytes("cd" * 32))
    assert response.status_code == 200, response.text
    assert response.json()["shapes"][0]["latents"]["3"]["shape"] == list(LEVELS[3])


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


async def test_known_categories_are_listed(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    problem = (await client.post("/generate?category=unicorn")).json()
    assert "table, chair" in problem["suggestion"]


async def test_generate_takes_no_body(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    response = await client.post("/generate", json={"category": "table"})
    assert code_of(response) == (400, "malformed_request")
    assert "query string" in response.json()["suggestion"]


async def test_no_model_is_known_yet(client: httpx.AsyncClient) -> None:
    response = await client.post("/generate?category=table")
    assert code_of(response) == (503, "no_worker")
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["retryable"]


async def test_a_model_without_cascade_cannot_generate(
    client: httpx.AsyncClient, own_queue: JobQueue, blobs: LocalBlobStore
) -> None:
    async with FakeWorker(own_queue, blobs, MODEL | {"can": ["encode", "decode"]}):
        response = await client.post("/generate")
    assert code_of(response) == (409, "capability_missing")
    assert "has no diffusion cascade" in response.json()["detail"]
    assert "decode, encode" in response.json()["suggestion"]


async def test_a_full_queue(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.open.clear()
    headers = {"Prefer": "respond-async"}
    accepted = [await client.post("/generate", headers=headers) for _ in range(5)]
    assert {response.status_code for response in accepted} == {202}
    refused = await client.post("/generate", headers=headers)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
