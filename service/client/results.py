"""What a job made, with its files: complete once it is there, no server needed any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import trimesh

from model.geometry.normalization import Normalization
from model.latentfile import LatentFile
from service.client.meshes import read_mesh
from service.contract import Job, Shape

LATENTS_NAME = "shape.safetensors"


def read_latents(data: bytes) -> dict[int, np.ndarray]:
    """The levels of a safetensors file, coarse to fine."""
    return dict(sorted(LatentFile.from_safetensors(data).levels.items(), reverse=True))


@dataclass(frozen=True)
class ShapeFiles:
    """A shape, the job that gave it (None where it was looked up), its mesh and its latents.

    Attributes:
        mesh_data: the mesh as a file of the format that ``shape.mesh`` says.
        latents_data: the latents as a safetensors file.
    """

    shape: Shape
    job: Job | None
    mesh_data: bytes
    latents_data: bytes

    @cached_property
    def mesh(self) -> trimesh.Trimesh:
        """The mesh, read from its file once."""
        return read_mesh(self.mesh_data, self.shape.mesh.format)

    @cached_property
    def latents(self) -> dict[int, np.ndarray]:
        """Level to (tokens, channels), float32, coarse to fine."""
        return read_latents(self.latents_data)


class _Readable:
    """What can be read of one shape: of a ``Result``, and of ``Results`` that hold just one."""

    @property
    def files(self) -> ShapeFiles:
        """The shape's record, and its files as they came."""
        raise NotImplementedError

    @property
    def shape_id(self) -> str:
        """``shp_...``: what other calls know the shape by."""
        return self.files.shape.id

    @property
    def mesh(self) -> trimesh.Trimesh:
        """The mesh; of an encoded one, over the upload (or in the unit sphere, by ``space``)."""
        return self.files.mesh

    @property
    def latents(self) -> dict[int, np.ndarray]:
        """Level (3 coarse to 1 fine) to its vectors (tokens, channels), float32."""
        return self.files.latents

    @property
    def seed(self) -> int | None:
        """What the shape was drawn with."""
        return self.files.shape.seed

    @property
    def category(self) -> str | None:
        """What it is, where that is known."""
        return self.files.shape.category

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the shapes it was made from."""
        return self.files.shape.parents

    @property
    def metrics(self) -> dict[str, float] | None:
        """How near the reconstruction lies to the upload; of encoded shapes."""
        return self.files.shape.metrics

    @property
    def normalization(self) -> Normalization:
        """The user's frame to the unit sphere, and back (``apply``, ``invert``)."""
        frame = self.files.shape.normalization
        return Normalization(frame.center, frame.scale)

    @property
    def job(self) -> Job | None:
        """The job that gave this; None where the shape was looked up."""
        return self.files.job

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of the whole job by stage, and ``queue``; empty where there is no job."""
        return {} if self.files.job is None else dict(self.files.job.timings_ms)


class Result(_Readable):
    """One shape, downloaded: latents, mesh, and all that is known of it."""

    def __init__(self, files: ShapeFiles) -> None:
        self._files = files

    @property
    def files(self) -> ShapeFiles:
        """The shape's record, and its files as they came."""
        return self._files

    def save(self, folder: str | Path) -> Path:
        """Write ``shape.safetensors`` and ``mesh.glb`` (or what format it has), as `lagem encode`.

        The command line takes such latents too: `lagem decode folder/shape.safetensors`.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LATENTS_NAME).write_bytes(self._files.latents_data)
        mesh_name = f"mesh.{self._files.shape.mesh.format}"
        (folder / mesh_name).write_bytes(self._files.mesh_data)
        return folder

    def __repr__(self) -> str:
        shape = self._files.shape
        facts: Mapping[str, object] = {"seed": shape.seed, "category": shape.category}
        known = "".join(f", {name}={value!r}" for name, value in facts.items() if value is not None)
        return f"<Result {shape.id}{known}, {shape.mesh.faces:,} faces>"


class Results(_Readable, list[Result]):
    """The shapes of one job, in the order of their seeds.

    A list; and where it holds just one, as without ``n``, that one's facts can be read at once:
    ``client.generate(category="table").mesh``.
    """

    @property
    def files(self) -> ShapeFiles:
        """Those of the only result.

        Raises:
            AttributeError: there are several.
        """
        if len(self) != 1:
            raise AttributeError(
                f"there are {len(self)} results: take one, as results[0], or go through all"
            )
        return self[0].files

    def save(self, folder: str | Path) -> Path:
        """Write a single result into the folder, several into one folder each, as `lagem generate`.

        These are named by category and seed (``table-7``), as far as known.
        """
        folder = Path(folder)
        if len(self) == 1:
            return self[0].save(folder)
        for result in self:
            name = f"{result.category or 'shape'}-{result.seed}"
            result.save(folder / (result.shape_id if result.seed is None else name))
        return folder
