"""REST and gRPC are two skins of one service: the same requests, the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.jobqueue.queue import JobQueue
from service.store.local import LocalBlobStore
from tests.service.gateway.fakeworker import MODEL, FakeWorker
from tests.service.gateway.wire import NAN_OBJ, latents_bytes, sphere_bytes
from tests.service.transport.skins import Both, alike, refused

ALL_OPTIONS = {"resolution": 32, "target_faces": 60, "exhaustive": True, "format": "ply"}


@pytest.mark.parametrize(
    ("operation", "params", "body"),
    [
        ("generate", {"category": "table", "seed": 7}, b""),
        ("generate", {"seed": 2**64 - 1, "n": 3, "steps": 2, "guidance": 2.5} | ALL_OPTIONS, b""),
        ("encode", {}, sphere_bytes()),
        ("encode", {"filename": "ball.obj", "space": "normalized"}, sphere_bytes("obj")),
        ("encode", ALL_OPTIONS, sphere_bytes("stl")),
        ("resample", {"shape": None, "seed": 1}, b""),
        ("resample", {"shape": None, "seed": 1, "keep_level": 2, "category": "chair"}, b""),
        ("resample", {"seed": 1, "n": 2, "steps": 3}, latents_bytes()),
        ("decode", {"shape": None, "resolution": 128, "space": "normalized"}, b""),
        ("decode", {"any_weights": True}, latents_bytes("cd" * 32)),
        ("decode", {"level3": None, "level2": None, "level1": None}, b""),
    ],
)
async def test_every_operation_makes_the_same_of_a_request(
    both: Both, worker: FakeWorker, operation: str, params: dict[str, Any], body: bytes
) -> None:
    (parent,) = (await both[0].submit("generate", category="table", seed=3))["shapes"]
    params = {name: parent["id"] if value is None else value for name, value in params.items()}
    jobs = [await skin.submit(operation, body=body, **params) for skin in both]
    assert [job["state"] for job in jobs] == ["succeeded"] * 2
    assert len(worker.seen) == 3
    assert alike(jobs[0]) == alike(jobs[1])
    for job in jobs:
        assert await both[0].job(job["id"]) == await both[1].job(job["id"]) == job


@pytest.mark.parametrize(
    ("operation", "params", "body", "code", "param"),
    [
        ("generate", {"space": "input"}, b"", "irrelevant_parameter", "space"),
        ("generate", {"n": 0}, b"", "invalid_parameter", "n"),
        ("generate", {"n": 17}, b"", "invalid_parameter", "n"),
        ("generate", {"steps": 1}, b"", "invalid_parameter", "steps"),
        ("generate", {"steps": 129}, b"", "invalid_parameter", "steps"),
        ("generate", {"guidance": -1}, b"", "invalid_parameter", "guidance"),
        ("generate", {"guidance": float("nan")}, b"", "invalid_parameter", "guidance"),
        ("generate", {"guidance": float("inf")}, b"", "invalid_parameter", "guidance"),
        ("generate", {"guidance": 100.1}, b"", "invalid_parameter", "guidance"),
        ("generate", {"resolution": 16}, b"", "invalid_parameter", "resolution"),
        ("generate", {"resolution": 513}, b"", "invalid_parameter", "resolution"),
        ("generate", {"target_faces": 3}, b"", "invalid_parameter", "target_faces"),
        ("generate", {"format": 99}, b"", "invalid_parameter", "format"),
        ("generate", {"category": "unicorn"}, b"", "invalid_parameter", "category"),
        ("generate", {"category": ""}, b"", "invalid_parameter", "category"),
        ("generate", {"category": "ü" * 65}, b"", "invalid_parameter", "category"),
        ("encode", {"space": 7}, sphere_bytes(), "invalid_parameter", "space"),
        ("encode", {"filename": "x" * 256}, sphere_bytes(), "invalid_parameter", "filename"),
        ("resample", {"keep_level": 1}, b"", "invalid_parameter", "keep_level"),
        ("resample", {"keep_level": 4}, b"", "invalid_parameter", "keep_level"),
        ("resample", {}, b"", "invalid_parameter", "shape"),
        ("resample", {"shape": "shp_none"}, b"", "not_found", "shape"),
        ("resample", {"shape": ""}, b"", "invalid_parameter", "shape"),
        ("decode", {}, b"", "invalid_parameter", "shape"),
        ("decode", {"shape": "x" * 65}, b"", "invalid_parameter", "shape"),
        ("decode", {}, b"nonsense", "invalid_latents", None),
        (
            "decode",
            {},
            latents_bytes(level1=np.ones((2, 2), np.float32)),
            "invalid_latents",
            None,
        ),
        ("decode", {}, latents_bytes("cd" * 32), "weights_mismatch", "any_weights"),
        ("decode", {"level3": "shp_a"}, b"", "invalid_parameter", "level2"),
        (
            "decode",
            {"level3": "shp_a", "level2": "shp_a", "level1": "shp_a"},
            b"",
            "not_found",
            "level3",
        ),
        ("encode", {}, b"", "malformed_request", None),
        ("encode", {}, b"just some text\n", "unsupported_mesh_format", None),
        ("encode", {}, sphere_bytes()[:-100], "malformed_mesh", None),
        ("encode", {}, NAN_OBJ, "non_finite_mesh", None),
        ("encode", {}, b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "invalid_mesh_index", None),
        ("encode", {}, b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "empty_mesh", None),
        ("encode", {}, bytes(2**20 + 1), "mesh_too_large", None),
        ("generate", {"key": "k" * 256}, b"", "invalid_parameter", "Idempotency-Key"),
    ],
)
async def test_wrong_requests_are_refused_alike(
    both: Both,
    worker: FakeWorker,
    operation: str,
    params: dict[str, Any],
    body: bytes,
    code: str,
    param: str | None,
) -> None:
    refusals = [await refused(skin.submit(operation, body=body, **params)) for skin in both]
    for refusal in refusals:
        assert (refusal.code, refusal.param) == (code, param)
        assert refusal.request_id.startswith("req_")
        assert (refusal.job, refusal.retry_after) == (None, False)
    assert bool(refusals[0].suggestion) == bool(refusals[1].suggestion)
    assert worker.seen == []


async def test_what_the_deployment_cannot_do_is_told_alike(
    both: Both, own_queue: JobQueue, blobs: LocalBlobStore
) -> None:
    for skin in both:
        refusal = await refused(skin.submit("generate"))
        assert (refusal.code, refusal.retry_after) == ("no_worker", True)
        assert await skin.categories() == []
    async with FakeWorker(own_queue, blobs, MODEL | {"can": ["encode", "decode"]}):
        refusals = [await refused(skin.submit("generate")) for skin in both]
    assert [refusal.code for refusal in refusals] == ["capability_missing"] * 2
    assert refusals[0].detail == refusals[1].detail


async def test_a_full_queue_refuses_both(both: Both, worker: FakeWorker) -> None:
    worker.open.clear()
    for count in range(5):
        await both[count % 2].submit("generate", wait_s=0)
    for skin in both:
        refusal = await refused(skin.submit("generate", wait_s=0))
        assert refusal.code in ("queue_full", "rate_limited")
        assert refusal.retry_after


async def test_one_idempotency_key_means_one_job_over_both(both: Both, worker: FakeWorker) -> None:
    rest, over_grpc = both
    for operation, body in [("generate", b""), ("encode", sphere_bytes())]:
        first = await rest.submit(operation, key=operation, body=body, resolution=32)
        again = await over_grpc.submit(operation, key=operation, body=body, resolution=32)
        assert again == first
        for skin in both:
            refusal = await refused(skin.submit(operation, key=operation, body=body, resolution=64))
            assert refusal.code == "idempotency_conflict"
    assert len(worker.seen) == 2
