"""The gateway's background work."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.gateway.upkeep import Upkeep
from service.jobqueue.queue import JobQueue
from service.jobs import JobState, NewJob, Operation
from service.settings import GatewaySettings
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref, mesh_ref
from service.telemetry import GatewayMetrics


def upkeep_of(queue: JobQueue, folder: Path) -> tuple[Upkeep, LocalBlobStore, GatewayMetrics]:
    settings = GatewaySettings(data_dir=folder)
    blobs = LocalBlobStore(settings.blob_dir)
    metrics = GatewayMetrics(CollectorRegistry(), version="0")
    return Upkeep(queue, blobs, metrics, settings), blobs, metrics


async def test_a_tick_shows_the_load_and_ends_late_jobs(
    own_queue: JobQueue, tmp_path: Path
) -> None:
    upkeep, _, metrics = upkeep_of(own_queue, tmp_path)
    for _ in range(2):
        await own_queue.submit(NewJob(operation=Operation.ENCODE, params={}, batch_key="k"))
    now_ms = int(time.time() * 1000)
    late = NewJob(operation=Operation.DECODE, params={}, batch_key="k", deadline_ms=now_ms - 1)
    await own_queue.submit(late)
    await upkeep.tick()
    value = metrics.registry.get_sample_value
    assert value("lagem_queue_entries", {"op": "encode", "priority": "1"}) == 2
    assert value("lagem_queue_entries", {"op": "decode", "priority": "1"}) == 0
    assert (value("lagem_queue_oldest_age_seconds", {"op": "encode"}) or 0) >= 0
    job = await own_queue.get(late.id)
    assert job is not None
    assert job.state is JobState.FAILED


async def test_uploads_of_killed_processes_are_swept(
    own_queue: JobQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    two_hours_ago = time.time() - 2 * 3600
    for name in ("lagem-upload-old", "lagem-upload-new", "other"):
        (folder / name).write_bytes(b"x")
    for name in ("lagem-upload-old", "other"):
        os.utime(folder / name, (two_hours_ago, two_hours_ago))
    await upkeep_of(own_queue, tmp_path / "data")[0].sweep()
    assert {path.name for path in folder.iterdir()} == {"lagem-upload-new", "other"}


async def test_blobs_are_swept_by_their_kind(own_queue: JobQueue, tmp_path: Path) -> None:
    upkeep, blobs, _ = upkeep_of(own_queue, tmp_path)
    mesh = mesh_ref(
        "shp_1",
        resolution=64,
        target_faces=None,
        exhaustive=False,
        space="input",
        format="glb",
    )
    latents = latents_ref("shp_1")
    two_days_ago = time.time() - 2 * 24 * 3600
    for ref in (mesh, latents):
        await blobs.put(ref, b"x")
        os.utime(tmp_path / "blobs" / ref, (two_days_ago, two_days_ago))
    async with upkeep, asyncio.timeout(5):
        while await blobs.exists(mesh):  # noqa: ASYNC110 - the store has nothing to wait on
            await asyncio.sleep(0.01)
    assert await blobs.exists(latents)
