"""Runs batches with the model; the only file of the service that opens ``model.pipeline``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
import torch
import trimesh

from model.evaluation.metrics import chamfer_distance, f_score
from model.geometry.mesh import export_mesh
from model.geometry.sampling import sample_surface
from model.geometry.simplification import simplify
from model.gridfield import prepare
from model.latentfile import LatentFileError
from model.latents import Latents
from model.pipeline import ShapePipeline
from service.errors import (
    Canceled,
    EmptySurface,
    InternalError,
    InvalidLatents,
    OutOfMemory,
    ServiceError,
)
from service.jobqueue import lease
from service.jobs import Job, Operation, ShapeRecord, Stage
from service.settings import WorkerSettings
from service.store.blobs import BlobMissing, BlobStore
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref, mesh_ref
from service.telemetry import LogField
from service.worker.cores import available_cores
from service.worker.reporter import Reporter
from service.worker.results import latent_file, mesh_entry, shape_object, shape_record
from service.worker.task import Task

METRIC_POINTS = 8192
_METRIC_SEED = 0
_METRIC_DECIMALS = 6


class Engine:
    """A loaded model with a way to read inputs and write results.

    Args:
        latents_retention_s: how long the shapes it makes are kept.
    """

    def __init__(
        self, pipeline: ShapePipeline, store: BlobStore, *, latents_retention_s: int
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._retention_ms = latents_retention_s * 1000
        self._io = asyncio.Runner()
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger()
        info = pipeline.info
        self._model = {
            "name": info.name,
            "version": info.version,
            "weights_sha256": info.weights_sha256,
        }

    @classmethod
    def load(cls, settings: WorkerSettings) -> Engine:
        """The engine that the settings describe, in a process that does nothing else."""
        torch.set_num_threads(settings.threads or available_cores())
        pipeline = ShapePipeline.load(settings.weights, device=settings.device)
        if pipeline.device.type == "cpu":
            prepare()
        store = LocalBlobStore(settings.blob_dir)
        return cls(pipeline, store, latents_retention_s=settings.latents_retention_s)

    @property
    def model(self) -> dict[str, Any]:
        """What the loaded model is, JSON-able."""
        return self._pipeline.info.to_dict()

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self._pipeline.device)

    def memory(self) -> dict[str, int]:
        """Bytes of GPU memory by kind; empty on the CPU."""
        device = self._pipeline.device
        if device.type != "cuda":
            return {}
        return {
            "allocated": torch.cuda.memory_allocated(device),
            "reserved": torch.cuda.memory_reserved(device),
        }

    def run(self, jobs: Sequence[Job], reporter: Reporter) -> None:
        """Run jobs of one batch key: latents together, then surfaces one after the other.

        Each job ends when its own surfaces are done. A job that fails does so by its own typed
        error. What escapes is an error after which the device cannot be used any more.
        """
        tasks = []
        for job in jobs:
            try:
                tasks.append(self._open(job))
            except Exception as error:  # noqa: BLE001 (its mates go on)
                reporter.finished(job.id, lease.Failed(error=self._typed(error, job).to_dict()))
        rows = [(task, sample) for task in tasks for sample in range(task.samples)]
        made = self._latents(rows, reporter)
        for task in tasks:
            latents = [made.pop(0) for _ in range(task.samples)]
            reporter.finished(task.job.id, self._deliver(task, latents, reporter))

    # Inputs

    def _open(self, job: Job) -> Task:
        data = None
        if job.input_ref is not None:
            try:
                data = self._io.run(self._store.get(job.input_ref))
            except BlobMissing:
                raise InternalError(
                    "The job's input has expired.", suggestion="Send the request again."
                ) from None
        return Task.read(job, data)

    # Latents

    def _latents(
        self, rows: list[tuple[Task, int]], reporter: Reporter
    ) -> list[Latents | ServiceError]:
        """Latents of each row, or why there are none; where a batch fails, its halves are tried.

        So an input that fails is found among its mates, and a batch that does not fit into
        memory is cut until it does.
        """
        if not rows:
            return []
        try:
            latents = self._infer(rows, reporter)
            return [latents[row : row + 1] for row in range(len(rows))]
        except Canceled as canceled:
            return [canceled for _ in rows]
        except Exception as error:  # noqa: BLE001 (its mates are tried again)
            self._raise_if_fatal(error)
            if len(rows) == 1:
                return [self._typed(error, rows[0][0].job)]
            self._log.warning("batch_halved", rows=len(rows), cause=repr(error))
        self._free_memory()
        middle = len(rows) // 2
        return self._latents(rows[:middle], reporter) + self._latents(rows[middle:], reporter)

    def _infer(self, rows: list[tuple[Task, int]], reporter: Reporter) -> Latents:
        """One run of the model over rows of one batch key."""
        tasks = list({task.job.id: task for task, _ in rows}.values())
        job = tasks[0].job
        observe = _Observer(tasks, reporter)
        try:
            if job.operation is Operation.DECODE:
                return Latents.from_numpy([_parent_levels(task) for task, _ in rows])
            if job.operation is Operation.ENCODE:
                observe("encode", 0.0)
                return self._pipeline.encode(np.stack([_points(task) for task, _ in rows]))
            keep = None
            if job.operation is Operation.RESAMPLE:
                keep = Latents.from_numpy([_parent_levels(task) for task, _ in rows])
            return self._pipeline.sample(
                [task.seed(sample) for task, sample in rows],
                [task.category for task, _ in rows],
                steps=job.params["steps"],
                guidance=job.params["guidance"],
                keep=keep,
                keep_level=job.params.get("keep_level"),
                observe=observe,
            )
        finally:
            observe.end()

    # Surfaces

    def _deliver(
        self, task: Task, latents: list[Latents | ServiceError], reporter: Reporter
    ) -> lease.Outcome:
        """Turn a job's latents into its files and its outcome."""
        timings_ms = task.stopwatch.timings_ms
        shapes: list[dict[str, Any]] = []
        records: list[ShapeRecord] = []
        try:
            for sample, row in enumerate(latents):
                if isinstance(row, ServiceError):
                    raise row
                shape, record = self._surface(task, sample, row, reporter)
                shapes.append(shape)
                records += record
        except Canceled:
            return lease.Canceled(timings_ms=_rounded(timings_ms))
        except Exception as error:  # noqa: BLE001 (the job's outcome)
            self._raise_if_fatal(error)
            typed = self._typed(error, task.job)
            return lease.Failed(error=typed.to_dict(), timings_ms=_rounded(timings_ms))
        result = {"shapes": shapes, "model": self._model}
        return lease.Succeeded(
            result=result, shapes=tuple(records), timings_ms=_rounded(timings_ms)
        )

    def _surface(
        self, task: Task, sample: int, latents: Latents, reporter: Reporter
    ) -> tuple[dict[str, Any], list[ShapeRecord]]:
        """One shape's object, and its record where the shape is new."""
        options = task.mesh_options
        observe = _Observer([task], reporter, sample)
        try:
            observe("decode", 0.0)
            mesh = self._pipeline.meshes(
                latents,
                resolution=options.resolution,
                exhaustive=options.exhaustive,
                observe=observe,
            )[0]
            observe("mesh", 0.5)
            if len(mesh.faces) == 0:
                raise EmptySurface(
                    "The decoded field has no surface: it is outside everywhere.",
                    suggestion="Try another seed, or a finer resolution for thin shapes.",
                )
            if options.target_faces is not None:
                mesh = simplify(mesh, options.target_faces)
            metrics = _reconstruction_metrics(task, mesh)
            observe("export", 0.0)
            return self._store_shape(task, sample, latents.to_numpy(0), mesh, metrics)
        finally:
            observe.end()

    def _store_shape(
        self,
        task: Task,
        sample: int,
        levels: dict[int, np.ndarray],
        mesh: trimesh.Trimesh,
        metrics: dict[str, float] | None,
    ) -> tuple[dict[str, Any], list[ShapeRecord]]:
        options = task.mesh_options
        provenance = task.provenance(sample, self._model)
        if options.space == "input":
            vertices = provenance.normalization.invert(np.asarray(mesh.vertices))
            mesh = trimesh.Trimesh(vertices, mesh.faces, process=False)
        data = export_mesh(mesh, options.format)
        shape_id = provenance.shape_id
        entry = mesh_entry(shape_id, options, mesh, len(data))
        shape = shape_object(provenance, levels, entry, metrics)
        name = mesh_ref(
            shape_id,
            resolution=options.resolution,
            target_faces=options.target_faces,
            exhaustive=options.exhaustive,
            space=options.space,
            format=options.format,
        )
        self._io.run(self._store.put(name, data))
        if not task.makes_new_shapes:
            return shape, []
        file = latent_file(levels, provenance).to_safetensors()
        self._io.run(self._store.put(latents_ref(shape_id), file))
        now_ms = int(time.time() * 1000)
        expires_ms = now_ms + self._retention_ms
        record = shape_record(provenance, shape, created_ms=now_ms, expires_ms=expires_ms)
        return shape, [record]

    # Errors

    def _typed(self, error: Exception, job: Job) -> ServiceError:
        """The error a caller is told; what has no type of its own is logged with its traceback."""
        if isinstance(error, ServiceError):
            return error
        if isinstance(error, LatentFileError):
            return InvalidLatents(str(error))
        if _is_out_of_memory(error):
            self._free_memory()
            return OutOfMemory(
                "The device has too little memory for this job, even alone.",
                suggestion="Ask for a lower resolution or fewer samples.",
            )
        self._log.error("job_failed", **{LogField.JOB_ID: job.id}, exc_info=error)
        return InternalError("The model failed on this job.")

    @staticmethod
    def _raise_if_fatal(error: Exception) -> None:
        """Let errors through after which the CUDA context refuses all further work."""
        if isinstance(error, torch.AcceleratorError):
            raise error

    def _free_memory(self) -> None:
        if self._pipeline.device.type == "cuda":
            torch.cuda.empty_cache()


class _Observer:
    """Passes the pipeline's progress on, keeps the time, and stops work that nobody wants.

    Args:
        tasks: the jobs that the work is for.
        sample: index of the shape worked on, within its job.

    Calling it raises ``Canceled`` when all of them are canceled.
    """

    def __init__(self, tasks: Sequence[Task], reporter: Reporter, sample: int = 0) -> None:
        self._tasks = tasks
        self._reporter = reporter
        self._sample = sample

    def __call__(self, stage: str, fraction: float) -> None:
        current = Stage(stage)
        for task in self._tasks:
            task.stopwatch.enter(current)
            progress = task.meter.at(current, fraction, self._sample)
            self._reporter.progress(task.job.id, current, progress)
        if all(self._reporter.canceled(task.job.id) for task in self._tasks):
            raise Canceled("The job was canceled.")

    def end(self) -> None:
        """Stop the clocks."""
        for task in self._tasks:
            task.stopwatch.enter(None)


def _points(task: Task) -> np.ndarray:
    assert task.points is not None
    return task.points


def _parent_levels(task: Task) -> dict[int, np.ndarray]:
    assert task.parent is not None
    return dict(task.parent.levels)


def _reconstruction_metrics(task: Task, mesh: trimesh.Trimesh) -> dict[str, float] | None:
    """How close an encoded shape is to its input, canonical frame; None for other operations."""
    if task.points is None:
        return None
    surface = sample_surface(mesh, METRIC_POINTS, seed=_METRIC_SEED)
    points = task.points.astype(np.float64)
    return {
        "chamfer": round(chamfer_distance(points, surface), _METRIC_DECIMALS),
        "f_score": round(f_score(points, surface), _METRIC_DECIMALS),
    }


def _is_out_of_memory(error: Exception) -> bool:
    # The CPU allocator has no exception type of its own.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def _rounded(timings_ms: dict[str, float]) -> dict[str, float]:
    return {stage: round(spent, 3) for stage, spent in timings_ms.items()}
