"""Engines with a tiny model of random weights, and with models that misbehave."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import trimesh

from model.config import (
    AutoEncoderConfig,
    CascadeConfig,
    DenoiserConfig,
    LevelConfig,
    ModelConfig,
)
from model.field import OccupancyField
from model.geometry.sampling import to_point_cloud
from model.geometry.tracking import track
from model.grid import OnCoarser, TrackedLogits
from model.latents import Latents
from model.pipeline import Observer, ShapePipeline
from service.contract import Shape
from service.jobqueue.lease import Failed, Outcome, Succeeded
from service.jobs import Artifact, Job, Operation, Stage
from service.worker.engine import Engine
from tests.service.worker.jobs import job

RESOLUTION = 32
TINY = ModelConfig(
    name="tiny",
    version="0",
    licence="MIT",
    autoencoder=AutoEncoderConfig(
        channels=32,
        levels=(LevelConfig(4, 8, 1), LevelConfig(8, 8, 1), LevelConfig(16, 4, 1)),
        head_channels=16,
        input_points=512,
    ),
    cascade=CascadeConfig(
        denoisers=(DenoiserConfig(32, 1, 16),) * 3, categories=("table", "chair")
    ),
)

Make = Callable[..., Engine]


class Recorder:
    """A reporter that keeps everything, and cancels jobs when they reach a stage."""

    def __init__(self, cancel_at: dict[str, Stage] | None = None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.stages: dict[str, list[Stage]] = {}
        self.artifacts: dict[str, list[Artifact]] = {}
        self.values: dict[str, list[float]] = {}
        self.made = 0
        self._cancel_at = cancel_at or {}

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        assert 0 <= progress <= 1
        self.values.setdefault(job_id, []).append(progress)
        stages = self.stages.setdefault(job_id, [])
        if not stages or stages[-1] is not stage:
            stages.append(stage)

    def computed(self, shapes: int) -> None:
        self.made += shapes

    def showed(self, job_id: str, artifact: Artifact) -> None:
        assert job_id not in self.outcomes
        self.artifacts.setdefault(job_id, []).append(artifact)

    def finished(self, job_id: str, outcome: Outcome) -> None:
        assert job_id not in self.outcomes
        self.outcomes[job_id] = outcome

    def canceled(self, job_id: str) -> bool:
        return self._cancel_at.get(job_id) in self.stages.get(job_id, [])


class Impatient(Recorder):
    """Cancels every job once it has been told of progress more than ``patience`` times."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self.patience, self.told = patience, 0

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        super().progress(job_id, stage, progress)
        self.told += 1

    def canceled(self, job_id: str) -> bool:
        return self.told > self.patience


class SpherePipeline(ShapePipeline):
    """Random latents as usual, but every field is a sphere, whose radius the test sets."""

    radius = 0.5

    def track(
        self,
        latents: Latents,
        *,
        resolution: int,
        seeds: Sequence[np.ndarray | None] | None = None,
        exhaustive: bool = False,
        observe: Observer = lambda *_: None,
        on_coarser: OnCoarser = lambda _: None,
    ) -> Iterator[TrackedLogits]:
        spacing = 2.0 / resolution
        for _ in range(len(latents)):
            observe("decode", 0.5)
            blocks = track(
                lambda indices: self.radius - np.linalg.norm(indices * spacing - 1, axis=1),
                resolution,
                coarse=resolution,
            )
            yield TrackedLogits(blocks, -1.0, spacing, 0)


class BeadField(OccupancyField):
    """A ball, and a bead midway between samples of the coarse grid, which do not show it."""

    balls = (((0.0, 0.0, 0.0), 0.5), ((0.5578125,) * 3, 0.01))  # the bead around sample 49 of 64

    def __init__(self) -> None:
        super().__init__(torch.zeros(52, 52), 1e-5, (), (), torch.zeros(1))

    def row(self, index: int) -> OccupancyField:
        return self

    def __call__(self, queries: torch.Tensor) -> torch.Tensor:
        inside = [
            radius - (queries - torch.tensor(center)).norm(dim=-1) for center, radius in self.balls
        ]
        return torch.stack(inside).amax(0)


class PickyPipeline(SpherePipeline):
    """Encodes at most ``capacity`` clouds at once, and never one whose first point is at 9."""

    capacity = 1

    def encode(self, points: np.ndarray) -> Latents:
        if len(points) > self.capacity:
            raise torch.OutOfMemoryError("too many")
        if (points[:, 0] == 9).any():
            raise ValueError("a bad row")
        return super().encode(points)


def blob(engine: Engine, ref: str) -> bytes:
    return engine._io.run(engine._store.get(ref))


def put(engine: Engine, ref: str, data: bytes) -> str:
    engine._io.run(engine._store.put(ref, data))
    return ref


def put_points(engine: Engine, name: str, points: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.save(buffer, points.astype(np.float32))
    return put(engine, f"inputs/{name}.npy", buffer.getvalue())


def sphere_points() -> np.ndarray:
    return to_point_cloud(trimesh.creation.icosphere(3), count=512, ordered=64).points


def run(engine: Engine, jobs: Sequence[Job], recorder: Recorder | None = None) -> Recorder:
    recorder = recorder or Recorder()
    engine.run(jobs, recorder).result()
    assert set(recorder.outcomes) == {each.id for each in jobs}
    return recorder


def shapes(outcome: Outcome) -> list[dict[str, Any]]:
    assert isinstance(outcome, Succeeded), outcome
    for shape in outcome.result["shapes"]:
        Shape.model_validate(shape)
    found: list[dict[str, Any]] = outcome.result["shapes"]
    return found


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, Failed), outcome
    return str(outcome.error["code"])


def generate(**params: Any) -> Job:
    return job(Operation.GENERATE, **{"resolution": RESOLUTION, "steps": 2} | params)
