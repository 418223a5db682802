"""The job object as the contract writes it: every member, on every operation."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest

from service.jobs import Stage
from service.settings import GatewaySettings
from tests.service.gateway.fakeworker import LEVELS, FakeWorker
from tests.service.gateway.wire import latents_bytes, sphere_bytes

JOB = {
    *("id", "object", "operation", "state", "stage", "progress", "queue_position", "eta_s"),
    *("created_at", "started_at", "finished_at", "expires_at", "attempts", "input", "model"),
    *("shapes", "timings_ms", "links", "error"),
}
MESH = {"url", "format", "bytes", "faces", "vertices", "bounds", "watertight", "components"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/encode", sphere_bytes()),
        ("/generate?category=table&seed=7", b""),
        ("/resample?seed=7", latents_bytes()),
        ("/decode", latents_bytes()),
    ],
)
async def test_a_finished_job_has_every_member(
    client: httpx.AsyncClient, worker: FakeWorker, path: str, content: bytes
) -> None:
    response = await client.post(path, content=content)
    assert response.headers["content-type"] == "application/json"
    job = response.json()
    assert job.keys() >= JOB
    assert job["operation"] == path[1:].partition("?")[0]
    assert (job["state"], job["stage"], job["progress"]) == ("succeeded", None, 1.0)
    assert (job["queue_position"], job["attempts"], job["error"]) == (None, 1, None)
    moments = [job[f"{name}_at"] for name in ("created", "started", "finished", "expires")]
    assert all(datetime.fromisoformat(moment).tzinfo for moment in moments)
    assert moments == sorted(moments)
    assert job["model"].keys() == {"name", "weights_sha256", "version"}
    assert job["timings_ms"].keys() == {"queue", *Stage}
    assert job["links"] == {
        "self": f"/jobs/{job['id']}",
        "events": f"/jobs/{job['id']}/events",
        "cancel": f"/jobs/{job['id']}",
    }


async def test_a_shape_of_a_job_has_every_member(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    (shape,) = (await client.post("/encode", content=sphere_bytes())).json()["shapes"]
    members = {"id", "seed", "category", "parents", "mesh", "latents", "normalization", "metrics"}
    assert shape.keys() >= members
    assert shape["mesh"].keys() >= MESH
    assert shape["normalization"].keys() == {"center", "scale"}
    assert shape["latents"].keys() == {"3", "2", "1"}
    for level, latents in shape["latents"].items():
        assert latents.keys() == {"url", "shape", "dtype", "sha256"}
        assert (latents["shape"], latents["dtype"]) == (list(LEVELS[int(level)]), "float32")
    mesh = await client.get(shape["mesh"]["url"])
    assert len(mesh.content) == shape["mesh"]["bytes"]


async def test_models_tell_levels_weights_and_licence(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    (model,) = (await client.get("/models")).json()["models"]
    assert model.keys() >= {"name", "levels", "weights_sha256", "licence", "can"}
    assert [level.keys() for level in model["levels"]] == [{"level", "tokens", "channels"}] * 3


def test_limits_are_those_of_the_contract_by_default() -> None:
    assert GatewaySettings.model_fields["wait_s"].default == 30
    assert GatewaySettings.model_fields["max_upload_bytes"].default == 64 * 2**20
    assert GatewaySettings.model_fields["max_faces"].default == 2_000_000
    assert GatewaySettings.model_fields["parse_timeout_s"].default == 30
