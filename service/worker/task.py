"""One job inside the engine: its input, its samples, its clock."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from model.geometry.normalization import Normalization
from model.latentfile import LatentFile
from service.contract import SEED_MODULUS
from service.jobs import Job, Operation, new_id
from service.worker.progress import ProgressMeter
from service.worker.results import MeshOptions, Provenance
from service.worker.stopwatch import Stopwatch

_SEED = re.compile("[0-9]{1,20}")


@dataclass(slots=True)
class Task:
    """A job that an engine is working on.

    Attributes:
        points: input of an encode job, canonical frame.
        parent: input latents of a resample or decode job.
    """

    job: Job
    points: Float32[np.ndarray, "n 3"] | None
    parent: LatentFile | None
    stopwatch: Stopwatch
    meter: ProgressMeter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = ProgressMeter(self.job.operation, self.samples)

    @classmethod
    def read(cls, job: Job, data: bytes | None) -> "Task":
        """The task of a job whose input blob holds ``data``.

        Raises:
            LatentFileError: the input is no latents.
            ValueError: the input is no array of points, or is missing.
        """
        if job.operation is Operation.GENERATE:
            return cls(job, None, None, Stopwatch())
        if data is None:
            raise ValueError(f"a job to {job.operation} needs an input")
        if job.operation is Operation.ENCODE:
            points = np.load(io.BytesIO(data), allow_pickle=False)
            return cls(job, points.astype(np.float32, copy=False), None, Stopwatch())
        return cls(job, None, LatentFile.from_safetensors(data), Stopwatch())

    @property
    def samples(self) -> int:
        """Shapes this job makes."""
        return int(self.job.params.get("n", 1))

    @property
    def category(self) -> str | None:
        """The condition to sample under."""
        return self.job.params.get("category")

    @property
    def mesh_options(self) -> MeshOptions:
        """How its meshes are asked for."""
        return MeshOptions.of(self.job.params)

    @property
    def makes_new_shapes(self) -> bool:
        """False where the job makes another mesh of a shape that exists already."""
        return "shape" not in self.job.params

    @property
    def normalization(self) -> Normalization:
        """The user's frame to the canonical frame."""
        frame = self.job.params.get("normalization")
        if frame is None:
            return Normalization.identity()
        x, y, z = frame["center"]
        return Normalization(center=(x, y, z), scale=frame["scale"])

    def seed(self, sample: int) -> int:
        """The seed that one of its samples is drawn with."""
        return int((self.job.params["seed"] + sample) % SEED_MODULUS)

    def provenance(self, sample: int, model: Mapping[str, str]) -> Provenance:
        """What is known of one of its shapes, made with ``model``."""
        params = self.job.params
        seed, category = _origin(self.parent.metadata if self.parent else {})
        if self.job.operation in (Operation.GENERATE, Operation.RESAMPLE):
            seed, category = self.seed(sample), self.category
        return Provenance(
            shape_id=params["shape"] if not self.makes_new_shapes else new_id("shp"),
            operation=self.job.operation,
            model=model,
            seed=seed,
            category=category,
            parents=tuple(params.get("parents", ())),
            normalization=self.normalization,
        )


def _origin(metadata: Mapping[str, str]) -> tuple[int | None, str | None]:
    """Seed and category that latents say of themselves; uploads may say anything."""
    seed = metadata.get("seed", "")
    number = int(seed) if _SEED.fullmatch(seed) else None
    return number, metadata.get("category") or None
