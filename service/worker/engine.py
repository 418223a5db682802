"""Runs batches with the model; the only file of the service that opens ``model.pipeline``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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
from service.errors import Canceled, ServiceError
from service.jobqueue import lease
from service.jobs import Job, Operation, Stage
from service.settings import WorkerSettings
from service.store.blobs import BlobMissing, BlobStore
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref
from service.worker.cores import model_threads
from service.worker.draft import Draft, Finished, Preview, SurfaceLogits
from service.worker.faults import diverged, free_memory, raise_if_fatal, typed
from service.worker.finisher import Finishing, OnStage
from service.worker.finishing import FinishingProcess
from service.worker.inputs import Inputs
from service.worker.observer import JobObserver
from service.worker.outcome import outcome_of
from service.worker.reporter import Reporter
from service.worker.results import latent_file
from service.worker.row import Row, rows_of, tasks_of, unmade
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
        settings: its times of retention are told where an input is gone.
    """

    def __init__(
        self,
        pipeline: ShapePipeline,
        store: BlobStore,
        finishing: Finishing,
        settings: WorkerSettings,
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._inputs = Inputs(store, settings)
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
        store = LocalBlobStore(settings.blob_dir)
        return cls(pipeline, store, FinishingProcess(settings), settings)

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

        Jobs that ask for the same shape share its latents; those whose latents are all there
        already do not wait for the others'.

        Returns when the model is free for another batch. A job ends when its own shapes are
        finished, the future when all jobs have. A job that fails does so by its own typed error.
        What escapes, here or from the future, is an error after which this process is of no use.
        """
        tasks = [task for job in jobs if (task := self._open(job, reporter)) is not None]
        rows = rows_of(tasks, self._model["weights_sha256"])
        for row in unmade(rows):
            self._reuse(row)
        missing = unmade(rows)
        later, ends = [], []
        for task, own in zip(tasks, rows, strict=True):
            if unmade([own]):
                later.append((task, own))
            else:
                task.meter.skip_latents()
                ends.append(self._surfaces(task, own, reporter))
        self._make(missing, reporter)
        ends += [self._surfaces(task, own, reporter) for task, own in later]
        return self._thread.submit(_await, ends)

    def _open(self, job: Job, reporter: Reporter) -> Task | None:
        """A job with its input; None where that cannot be used, which is then told."""
        try:
            return Task.read(job, self._io.run(self._inputs.read(job)))
        except Exception as error:  # noqa: BLE001 (its mates go on)
            reporter.finished(job.id, lease.Failed(error=typed(error, job).to_dict()))
            return None

    # Latents

    def _reuse(self, row: Row) -> bool:
        """Take the latents that the same request made before, while they are kept."""
        if row.shape_id is None:
            return False
        try:
            data = self._io.run(self._store.get(latents_ref(row.shape_id)))
            file = LatentFile.from_safetensors(data)
        except (BlobMissing, LatentFileError):
            return False
        except OSError:  # what cannot be read is made
            self._log.warning("latents_not_read", shape=row.shape_id, exc_info=True)
            return False
        row.latents, row.reused = Latents.from_numpy([dict(file.levels)]), True
        return True

    def _make(self, rows: list[Row], reporter: Reporter) -> None:
        """Give each row its latents, or why there are none; where a batch fails, try its halves.

        So an input that fails is found among its mates, and a batch that does not fit into
        memory is cut until it does.
        """
        if not rows:
            return
        try:
            latents = self._infer(rows, reporter)
        except Canceled as canceled:
            for row in rows:
                row.latents = canceled
            return
        except Exception as error:  # noqa: BLE001 (its mates are tried again)
            raise_if_fatal(error)
            if len(rows) == 1:
                rows[0].latents = typed(error, rows[0].task.job)
                return
            self._log.warning("batch_halved", rows=len(rows), cause=repr(error))
        else:
            for index, row in enumerate(rows):
                self._keep(row, latents[index : index + 1])
            return
        free_memory()
        middle = len(rows) // 2
        self._make(rows[:middle], reporter)
        self._make(rows[middle:], reporter)

    def _infer(self, rows: list[Row], reporter: Reporter) -> Latents:
        """One run of the model over rows of one batch key."""
        job = rows[0].task.job
        if job.operation is Operation.DECODE:
            return Latents.from_numpy([_parent_levels(row.task) for row in rows])
        observe = JobObserver(tasks_of(rows), reporter)
        try:
            if job.operation is Operation.ENCODE:
                observe("encode", 0.0)
                latents = self._pipeline.encode(np.stack([_points(row.task) for row in rows]))
            else:
                latents = self._sample(rows, observe)
        finally:
            observe.end()
        reporter.computed(len(rows))
        return latents

    def _sample(self, rows: list[Row], observe: Observer) -> Latents:
        job = rows[0].task.job
        keep = None
        if job.operation is Operation.RESAMPLE:
            keep = Latents.from_numpy([_parent_levels(row.task) for row in rows])
        return self._pipeline.sample(
            [row.task.seed(row.sample) for row in rows],
            [row.task.category for row in rows],
            steps=job.params["steps"],
            guidance=job.params["guidance"],
            keep=keep,
            keep_level=job.params.get("keep_level"),
            observe=observe,
        )

    def _keep(self, row: Row, made: Latents) -> None:
        """Store new latents at once, for whoever asks next; of two workers' the first are kept."""
        if self._reuse(row):
            return
        row.latents = made
        if row.shape_id is None:
            return
        provenance = row.task.provenance(row.sample, self._model)
        try:
            file = latent_file(made.to_numpy(0), provenance).to_safetensors()
            self._io.run(self._store.put(latents_ref(row.shape_id), file))
        except LatentFileError as error:
            row.latents = diverged(error, row.task.job)
        except OSError:  # they are written again with the mesh, where it counts
            self._log.warning("latents_not_stored", shape=row.shape_id, exc_info=True)

    # Surfaces

    def _surfaces(self, task: Task, rows: Sequence[Row], reporter: Reporter) -> Future[None]:
        """Follow the surfaces of a job here and now; the future ends with the job.

        The first that fails fails the job, so that the others need not be followed.
        """
        lost = [i for i, row in enumerate(rows) if isinstance(row.latents, ServiceError)]
        shapes: list[Future[Finished]] = []
        for sample in lost[:1] or range(len(rows)):
            if any(shape.done() and shape.exception() for shape in shapes):
                break
            shapes.append(self._begin(task, sample, rows[sample], reporter, tuple(shapes)))
        return self._thread.submit(self._end, task, shapes, reporter)

    def _begin(
        self,
        task: Task,
        sample: int,
        row: Row,
        reporter: Reporter,
        earlier: Sequence[Future[Finished]],
    ) -> Future[Finished]:
        """Follow the surface of one sample here and now; what finishes it comes later."""
        shape: Future[Finished] = Future()
        try:
            if isinstance(row.latents, ServiceError):
                raise row.latents
            assert row.latents is not None
            draft = self._draft(task, sample, row.latents, reporter, reused=row.reused)
        except Exception as error:  # noqa: BLE001 (the sample's outcome)
            raise_if_fatal(error)
            shape.set_exception(typed(error, task.job))
            return shape
        row.reused = True
        on_stage = partial(_tell, task, sample, reporter)
        return self._hand_over(self._finish, draft, on_stage, earlier)

    def _finish(
        self, draft: Draft, on_stage: OnStage, earlier: Sequence[Future[Finished]]
    ) -> Finished:
        """Finish one sample, unless one before it failed, which is then what this one ends with."""
        for shape in earlier:
            shape.result()
        return self._finishing.finish(draft, on_stage)

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
            shape_id=task.shape_id(sample, self._model["weights_sha256"]),
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
        reporter.finished(task.job.id, outcome_of(task, shapes, self._model))


def _points(task: Task) -> np.ndarray:
    assert task.points is not None
    return task.points


def _parent_levels(task: Task) -> dict[int, np.ndarray]:
    assert task.parent is not None
    return dict(task.parent.levels)


def _logits(tracked: TrackedLogits) -> SurfaceLogits:
    return SurfaceLogits(blocks=tracked.blocks, lower=tracked.lower, spacing=tracked.spacing)


def _tell(task: Task, sample: int, reporter: Reporter, stage: Stage) -> None:
    """Tell of a stage of finishing; the job's is that of its last shape, the others only count."""
    progress = task.meter.at(stage, 0.0, sample)
    last = sample == task.samples - 1
    reporter.progress(task.job.id, stage if last else Stage.DECODE, progress)


def _await(ends: Sequence[Future[None]]) -> None:
    for end in ends:
        end.result()
