"""A worker that needs no model: claims jobs through the real queue and answers with spheres."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time
from typing import Any, Self

import numpy as np
import trimesh

from model.geometry.mesh import export_mesh, mesh_report
from model.latentfile import LatentFile
from service.errors import ServiceError
from service.jobqueue.lease import Beat, Canceled, Failed, Lease, Outcome, Succeeded
from service.jobqueue.queue import JobQueue
from service.jobqueue.records import WorkerInfo
from service.jobqueue.tasks import cancel_and_wait
from service.jobs import Artifact, Job, Operation, ShapeRecord, Stage, new_id
from service.store.blobs import BlobStore
from service.store.refs import latents_ref, mesh_ref, preview_ref
from service.worker.results import MeshOptions, final_artifact, moment

_METRICS = {Operation.ENCODE: {"chamfer": 0.01}, Operation.RESAMPLE: {"parent_distance": 0.02}}

LEVELS = {3: (4, 8), 2: (8, 4), 1: (16, 2)}

MODEL: dict[str, Any] = {
    "name": "sphere",
    "version": "1",
    "licence": "MIT",
    "weights_sha256": "ab" * 32,
    "levels": [
        {"level": level, "tokens": tokens, "channels": channels}
        for level, (tokens, channels) in LEVELS.items()
    ],
    "categories": ["table", "chair"],
    "can": ["encode", "generate", "resample", "decode"],
    "defaults": {"resolution": 64, "steps": 4, "guidance": 1.5},
}


def drawn_levels(seed: int) -> dict[int, np.ndarray]:
    """What "diffusion" gives for a seed."""
    generator = np.random.default_rng(seed)
    return {level: generator.standard_normal(size, np.float32) for level, size in LEVELS.items()}


class FakeWorker:
    """Runs one job at a time until the context ends.

    Attributes:
        open: while cleared, running jobs do not end (they still hear of being canceled).
        heeding: while cleared, running jobs do not stop for being canceled.
        failure: what jobs fail with, if anything.
        running: set while a job runs and has told so: a half of ``decode`` is done.
        seen: every job that was run, oldest first.
    """

    def __init__(self, queue: JobQueue, blobs: BlobStore, model: dict[str, Any]) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.heeding = asyncio.Event()
        self.heeding.set()
        self.failure: ServiceError | None = None
        self.seen: list[Job] = []
        self.running = asyncio.Event()
        self._lease: Lease | None = None
        self._queue = queue
        self._blobs = blobs
        self._model = model
        self._id = new_id("job").replace("job", "worker")

    async def __aenter__(self) -> Self:
        now = int(time.time() * 1000)
        info = WorkerInfo(
            id=self._id,
            device="cpu",
            slots=1,
            operations=tuple(Operation),
            model=self._model,
            started_ms=now,
            beat_ms=now,
        )
        await self._queue.register_worker(info)
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._task)

    async def _serve(self) -> None:
        while True:
            for entry in await self._queue.fetch(self._id, list(Operation), 1):
                lease = await self._queue.claim(self._id, entry)
                if lease is not None:
                    self.seen.append(lease.job)
                    outcome = await self._outcome(lease)
                    self.running.clear()
                    await self._queue.finish(lease, outcome)

    async def show(self, job: Job, resolution: int) -> None:
        """Add a ball to look at to a job that runs."""
        mesh = trimesh.creation.icosphere(subdivisions=1)
        data = export_mesh(mesh, "glb")
        artifact = Artifact(
            sample=0,
            shape="shp_a",
            resolution=resolution,
            ref=preview_ref(job.id, job.attempts, 0, resolution),
            bytes=len(data),
            faces=len(mesh.faces),
            vertices=len(mesh.vertices),
        )
        await self._blobs.put(artifact.ref, data)
        assert self._lease is not None
        assert await self._queue.show(self._lease, artifact, stage=Stage.DECODE, progress=0.5)

    async def _outcome(self, lease: Lease) -> Outcome:
        self._lease = lease
        beat = await self._queue.beat(lease, stage=Stage.DECODE, progress=0.5)
        self.running.set()
        while not self.open.is_set() and beat is Beat.OK:
            await asyncio.sleep(0.01)
            beat = await self._queue.beat(lease, stage=Stage.DECODE, progress=0.5)
        if beat is not Beat.OK:
            await self.heeding.wait()
            return Canceled()
        if self.failure is not None:
            return Failed(error=self.failure.to_dict())
        return await self._success(lease.job)

    async def _success(self, job: Job) -> Succeeded:
        shapes, records = [], []
        for sample in range(job.params.get("n", 1)):
            shape, record = await self._shape(job, sample)
            shapes.append(shape)
            records += [] if "shape" in job.params else [record]
        ref = {name: self._model[name] for name in ("name", "version", "weights_sha256")}
        return Succeeded(
            result={"shapes": shapes, "model": ref},
            shapes=tuple(records),
            artifacts=tuple(
                final_artifact(sample, MeshOptions.of(job.params), shape)
                for sample, shape in enumerate(shapes)
            ),
            timings_ms={"decode": 1.0},
        )

    async def _shape(self, job: Job, sample: int) -> tuple[dict[str, Any], ShapeRecord]:
        shape_id = job.params.get("shape") or new_id("shp")
        seed = (job.params["seed"] + sample) % 2**64 if "seed" in job.params else None
        levels = await self._levels(job, seed)
        parents = tuple(job.params.get("parents", ()))
        meta: dict[str, Any] = {
            "id": shape_id,
            "seed": seed,
            "category": job.params.get("category"),
            "parents": parents,
            "mesh": await self._mesh(job, shape_id),
            "latents": await self._latents(job, shape_id, seed, levels),
            "normalization": _frame(job),
            "metrics": _METRICS.get(job.operation),
        }
        now = int(time.time() * 1000)
        if "shape" not in job.params:
            meta["expires_at"] = moment(now + 3_600_000)
        ref = {name: self._model[name] for name in ("name", "version", "weights_sha256")}
        record = ShapeRecord(
            id=shape_id,
            meta=meta | {"operation": job.operation, "model": ref},
            latents_ref=latents_ref(shape_id),
            parents=parents,
            created_ms=now,
            expires_ms=now + 3_600_000,
        )
        return meta, record

    async def _levels(self, job: Job, seed: int | None) -> dict[int, np.ndarray]:
        if job.operation is Operation.GENERATE:
            assert seed is not None
            return drawn_levels(seed)
        assert job.input_ref is not None
        data = await self._blobs.get(job.input_ref)
        if job.operation is Operation.ENCODE:
            points = np.load(io.BytesIO(data))
            assert points.shape == (8192, 3)
            assert points.dtype == np.float32
            return drawn_levels(int(abs(points).sum()))
        levels = dict(LatentFile.from_safetensors(data).levels)
        if job.operation is Operation.RESAMPLE:
            assert seed is not None
            finer = range(1, job.params["keep_level"])
            levels |= {level: drawn_levels(seed)[level] for level in finer}
        return levels

    async def _mesh(self, job: Job, shape_id: str) -> dict[str, Any]:
        options = {
            "resolution": job.params["resolution"],
            "target_faces": job.params["target_faces"],
            "exhaustive": job.params["exhaustive"],
            "space": job.params.get("space", "input"),
            "format": job.params["format"],
        }
        mesh = trimesh.creation.icosphere(subdivisions=1)
        if options["space"] == "input":
            frame = _frame(job)
            mesh.vertices = mesh.vertices / frame["scale"] + frame["center"]
        data = export_mesh(mesh, options["format"])
        await self._blobs.put(mesh_ref(shape_id, **options), data)
        report = mesh_report(mesh)
        return options | {
            "url": f"/shapes/{shape_id}/mesh?format={options['format']}",
            "bytes": len(data),
            "faces": report.faces,
            "vertices": report.vertices,
            "bounds": np.asarray(report.bounds).tolist(),
            "watertight": report.watertight,
            "components": report.components,
            "boundary_edges": report.boundary_edges,
            "expires_at": moment(int(time.time() * 1000) + 60_000),
        }

    async def _latents(
        self, job: Job, shape_id: str, seed: int | None, levels: dict[int, np.ndarray]
    ) -> dict[str, Any]:
        metadata = {
            "shape": shape_id,
            "model": self._model["name"],
            "weights_sha256": self._model["weights_sha256"],
            "category": job.params.get("category") or "",
            "seed": "" if seed is None else str(seed),
            "normalization": json.dumps(_frame(job)),
        }
        if "shape" not in job.params:
            data = LatentFile(levels, metadata).to_safetensors()
            await self._blobs.put(latents_ref(shape_id), data)
        return {
            str(level): {
                "url": f"/shapes/{shape_id}/latents",
                "shape": vectors.shape,
                "dtype": "float32",
                "sha256": hashlib.sha256(vectors.tobytes()).hexdigest(),
            }
            for level, vectors in levels.items()
        }


def _frame(job: Job) -> dict[str, Any]:
    return job.params.get("normalization") or {"center": [0.0, 0.0, 0.0], "scale": 1.0}
