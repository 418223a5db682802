"""Runs batches with the model; the only file of the service that opens ``model.pipeline``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import Any, ParamSpec, TypeVar

import numpy as np
import structlog
import torch

from model.grid import HALF_EXTENT, TrackedLogits
from model.gridfield import prepare
from model.latentfile import LatentFile, LatentFileError
from model.latents import Latents
from model.pipeline import Observer, ShapePipeline
from service.errors import (
    Canceled,
    InternalError,
    InvalidLatents,
    OutOfMemory,
    ServiceError,
)
from service.jobqueue import lease
from service.jobs import Job, Operation, Stage
from service.settings import WorkerSettings
from service.store.blobs import BlobMissing, BlobStore
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref
from service.telemetry import LogField
from service.worker.cores import model_threads
from service.worker.draft import Draft, Finished, Preview, SurfaceLogits
from service.worker.finisher import Finishing
from service.worker.finishing import FinishingDiedError, FinishingProcess
from service.worker.observer import JobObserver
from service.worker.reporter import Reporter
from service.worker.task import Task

P = ParamSpec("P")
T = TypeVar("T")

_WAITING = 2
"""Most drafts that wait for the one being finished: enough to keep it busy, little to hold."""

LEAST_PREVIEWED = 64
"""Resolution below which a mesh comes too soon for a coarser one to be worth its while."""


class Engine:
    """A loaded model with a way to read inputs, and someone to finish what it leaves.

    Args:
        finishing: called in another thread, for one shape at a time, while the model goes on.
    """

    def __init__(self, pipeline: ShapePipeline, store: BlobStore, finishing: Finishing) -> None:
        self._pipeline = pipeline
        self._store = store
        self._finishing = finishing
        self._thread = ThreadPoolExecutor(1, "finishing")
        self._room = BoundedSemaphore(1 + _WAITING)
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
        torch.set_num_threads(settings.threads or model_threads())
        pipeline = ShapePipeline.load(settings.weights, device=settings.device)
        if pipeline.device.type == "cpu":
            prepare()
        return cls(pipeline, LocalBlobStore(settings.blob_dir), FinishingProcess(settings))

    def close(self) -> None:
        """Finish what is under way, then let go of threads and event loop."""
        self._thread.shutdown()
        self._io.close()

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

    def run(self, jobs: Sequence[Job], reporter: Reporter) -> Future[None]:
        """Run jobs of one batch key: latents together, then surfaces one after the other.

        Returns when the model is free for another batch. A job ends when its own shapes are
        finished, the future when all jobs have. A job that fails does so by its own typed error.
        What escapes, here or from the future, is an error after which this process is of no use.
        """
        tasks = []
        for job in jobs:
            try:
                tasks.append(self._open(job))
            except Exception as error:  # noqa: BLE001 (its mates go on)
                reporter.finished(job.id, lease.Failed(error=self._typed(error, job).to_dict()))
        rows = [(task, sample) for task in tasks for sample in range(task.samples)]
        known = [self._stored(task, sample) for task, sample in rows]
        missing = [row for row, latents in zip(rows, known, strict=True) if latents is None]
        made = self._latents(missing, reporter)
        ends = []
        for task in tasks:
            shapes = []
            for sample in range(task.samples):
                stored = known.pop(0)
                latents = made.pop(0) if stored is None else stored
                shapes.append(
                    self._begin(task, sample, latents, reporter, reused=stored is not None)
                )
            ends.append(self._thread.submit(self._end, task, shapes, reporter))
        return self._thread.submit(_await, ends)

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

    def _stored(self, task: Task, sample: int) -> Latents | None:
        """The latents of a shape that the same request made before, while they are kept."""
        if not task.makes_new_shapes or task.job.operation is Operation.DECODE:
            return None
        ref = latents_ref(task.shape_id(sample, self._model["weights_sha256"]))
        try:
            file = LatentFile.from_safetensors(self._io.run(self._store.get(ref)))
        except (BlobMissing, LatentFileError):
            return None
        return Latents.from_numpy([dict(file.levels)])

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
        observe = JobObserver(tasks, reporter)
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

    def _begin(
        self,
        task: Task,
        sample: int,
        latents: Latents | ServiceError,
        reporter: Reporter,
        *,
        reused: bool,
    ) -> Future[Finished]:
        """Follow the surface of one sample here and now; what finishes it comes later."""
        shape: Future[Finished] = Future()
        try:
            if isinstance(latents, ServiceError):
                raise latents
            draft = self._draft(task, sample, latents, reporter, reused=reused)
        except Exception as error:  # noqa: BLE001 (the sample's outcome)
            self._raise_if_fatal(error)
            shape.set_exception(self._typed(error, task.job))
            return shape
        return self._hand_over(
            self._finishing.finish, draft, lambda stage: _tell(task, stage, sample, reporter)
        )

    def _hand_over(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let the other thread make a call, once there is room for it to wait."""
        self._room.acquire()
        done = self._thread.submit(call, *args, **kwargs)
        done.add_done_callback(lambda _: self._room.release())
        return done

    def _draft(
        self, task: Task, sample: int, latents: Latents, reporter: Reporter, *, reused: bool
    ) -> Draft:
        options = task.mesh_options
        observe = JobObserver([task], reporter, sample)
        try:
            observe("decode", 0.0)
            seeds = None if task.points is None else [task.points]
            (tracked,) = self._pipeline.track(
                latents,
                resolution=options.resolution,
                seeds=seeds,
                exhaustive=options.exhaustive,
                observe=observe,
                on_coarser=partial(self._preview, task, sample, reporter),
            )
            parent = self._parent_logits(task, observe)
        finally:
            observe.end()
        return Draft(
            logits=_logits(tracked),
            levels=latents.to_numpy(0),
            provenance=task.provenance(sample, self._model),
            options=options,
            points=task.points,
            parent=parent,
            new=task.makes_new_shapes,
            reused=reused,
        )

    def _parent_logits(self, task: Task, observe: Observer) -> SurfaceLogits | None:
        """What a variant is compared with, the same for all of a job: asked once."""
        if task.job.operation is not Operation.RESAMPLE:
            return None
        if task.parent_logits is None:
            parent = Latents.from_numpy([_parent_levels(task)])
            resolution = task.mesh_options.resolution
            (tracked,) = self._pipeline.track(parent, resolution=resolution, observe=observe)
            task.parent_logits = _logits(tracked)
        return task.parent_logits

    def _preview(self, task: Task, sample: int, reporter: Reporter, coarser: TrackedLogits) -> None:
        """Have the surface of a coarser grid shown to those who watch the job."""
        options = task.mesh_options
        if options.resolution < LEAST_PREVIEWED:
            return
        placed = options.space == "input"
        preview = Preview(
            job_id=task.job.id,
            attempt=task.job.attempts,
            sample=sample,
            resolution=round(2 * HALF_EXTENT / coarser.spacing),
            logits=_logits(coarser),
            normalization=task.normalization if placed else None,
        )
        self._hand_over(self._show, preview, reporter)

    def _show(self, preview: Preview, reporter: Reporter) -> None:
        artifact = self._finishing.preview(preview)
        if artifact is not None:
            reporter.showed(preview.job_id, artifact)

    def _end(self, task: Task, shapes: Sequence[Future[Finished]], reporter: Reporter) -> None:
        """Report how a job ended; its shapes are finished by now, each in its turn."""
        reporter.finished(task.job.id, self._outcome(task, shapes))

    def _outcome(self, task: Task, shapes: Sequence[Future[Finished]]) -> lease.Outcome:
        timings_ms = Counter(task.stopwatch.timings_ms)
        objects, records = [], []
        try:
            for shape in shapes:
                finished = shape.result()
                objects.append(finished.shape)
                records += [finished.record] if finished.record else []
                timings_ms.update(finished.timings_ms)
        except Canceled:
            return lease.Canceled(timings_ms=_rounded(timings_ms))
        except FinishingDiedError:
            raise
        except Exception as error:  # noqa: BLE001 (the job's outcome)
            typed = self._typed(error, task.job)
            return lease.Failed(error=typed.to_dict(), timings_ms=_rounded(timings_ms))
        result = {"shapes": objects, "model": self._model}
        return lease.Succeeded(
            result=result, shapes=tuple(records), timings_ms=_rounded(timings_ms)
        )

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


def _points(task: Task) -> np.ndarray:
    assert task.points is not None
    return task.points


def _parent_levels(task: Task) -> dict[int, np.ndarray]:
    assert task.parent is not None
    return dict(task.parent.levels)


def _logits(tracked: TrackedLogits) -> SurfaceLogits:
    return SurfaceLogits(blocks=tracked.blocks, lower=tracked.lower, spacing=tracked.spacing)


def _tell(task: Task, stage: Stage, sample: int, reporter: Reporter) -> None:
    reporter.progress(task.job.id, stage, task.meter.at(stage, 0.0, sample))


def _await(ends: Sequence[Future[None]]) -> None:
    for end in ends:
        end.result()


def _is_out_of_memory(error: Exception) -> bool:
    # The CPU allocator has no exception type of its own.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def _rounded(timings_ms: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(spent, 3) for stage, spent in timings_ms.items()}
