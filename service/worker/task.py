"""One job inside the engine: its input, its samples, its clock."""

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from model.geometry.normalization import Normalization
from model.latentfile import LatentFile
from service.contract import SEED_MODULUS
from service.jobs import Job, Operation, content_id
from service.worker.draft import SurfaceLogits
from service.worker.progress import ProgressMeter, surface_work
from service.worker.results import MeshOptions, Provenance
from service.worker.stopwatch import Stopwatch

_DRAWN_BY = ("category", "steps", "guidance", "keep_level")
"""Parameters that latents depend on, apart from the seed; the others are the mesh's."""

_SEED = re.compile("[0-9]{1,20}")


@dataclass(slots=True)
class Task:
    """A job that an engine is working on.

    Attributes:
        points: input of an encode job, canonical frame.
        parent: input latents of a resample or decode job.
        digest: of the input's bytes; empty where there is no input.
        parent_logits: around the parent's surface, once that has been asked for.
    """

    job: Job
    points: Float32[np.ndarray, "n 3"] | None
    parent: LatentFile | None
    stopwatch: Stopwatch
    digest: str = ""
    parent_logits: SurfaceLogits | None = None
    meter: ProgressMeter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = ProgressMeter(self.job.operation, self.samples, surface_work(self.job.params))

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
        digest = hashlib.sha256(data).hexdigest()
        if job.operation is Operation.ENCODE:
            points = np.load(io.BytesIO(data), allow_pickle=False)
            return cls(job, points.astype(np.float32, copy=False), None, Stopwatch(), digest)
        levels = LatentFile.from_safetensors(data)
        return cls(job, None, levels, Stopwatch(), _digest_of(levels))

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

    def shape_id(self, sample: int, weights_sha256: str) -> str:
        """The id of one of its shapes: the same request, input and weights make the same shape."""
        params = self.job.params
        if not self.makes_new_shapes:
            return str(params["shape"])
        drawn = {name: params.get(name) for name in _DRAWN_BY}
        if "seed" in params:
            drawn["seed"] = self.seed(sample)
        return content_id(
            "shp",
            self.job.tenant,
            self.job.operation,
            weights_sha256,
            self.digest,
            params.get("parents"),
            params.get("normalization"),
            drawn,
        )

    def provenance(self, sample: int, model: Mapping[str, str]) -> Provenance:
        """What is known of one of its shapes, made with ``model``."""
        params = self.job.params
        seed, category = _origin(self.parent.metadata if self.parent else {})
        if self.job.operation in (Operation.GENERATE, Operation.RESAMPLE):
            seed, category = self.seed(sample), self.category
        return Provenance(
            shape_id=self.shape_id(sample, model["weights_sha256"]),
            operation=self.job.operation,
            model=model,
            seed=seed,
            category=category,
            parents=tuple(params.get("parents", ())),
            normalization=self.normalization,
        )


def _digest_of(latents: LatentFile) -> str:
    """Of the vectors alone: metadata comes in any order, and does not change a shape."""
    digest = hashlib.sha256()
    for level in sorted(latents.levels):
        digest.update(np.ascontiguousarray(latents.levels[level], dtype="<f4").tobytes())
    return digest.hexdigest()


def _origin(metadata: Mapping[str, str]) -> tuple[int | None, str | None]:
    """Seed and category that latents say of themselves; uploads may say anything."""
    seed = metadata.get("seed", "")
    number = int(seed) if _SEED.fullmatch(seed) else None
    return number, metadata.get("category") or None
