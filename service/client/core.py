"""What the client can do, each thing once: generators of effects that know no network.

The drivers make each of them a method that blocks, or one to await, with the same parameters.
"""

from pathlib import Path

import numpy as np
import trimesh

from service.client.answers import parsed
from service.client.conversation import JobRef, job_id_of, path_of, query
from service.client.effects import Call, Steps, work
from service.client.latents import ShapeRef, shape_id_of
from service.client.meshes import read_mesh
from service.client.operations import Operations
from service.client.results import Result, Results, read_latents
from service.client.retries import exchange
from service.contract import (
    CategoryList,
    Job,
    JobList,
    Lineage,
    MeshFormat,
    Model,
    ModelList,
    ShapeDetail,
    Space,
    StateName,
)
from service.errors import JobFinal

_PAGE = 100


class Core(Operations):
    """Everything: the operations, and what becomes of their jobs and shapes."""

    def wait(self, job: JobRef, *, timeout: float | None = None) -> Steps[Results]:
        """The results of a job, once it has ended.

        Raises:
            ServiceError: why it failed.
            JobPending: it goes on after ``timeout`` seconds (None: wait as long as it takes).
        """
        if timeout is None:
            ended = yield from self._ended(job)
        else:
            ended = yield from self._polled(job, timeout, timeout)
        return (yield from self.downloaded(ended))

    def watch(self, job: JobRef, *, artifacts: bool = True) -> Steps[Job]:
        """Go through a job's events: what it is, what becomes of it, coarse meshes, and its end.

        The last event is a ``DoneEvent`` or an ``ErrorEvent``. A broken connection is made again,
        and gone on with where it broke.

        Args:
            job: a job, or its id.
            artifacts: download the coarse meshes that the job shows before its result.
        """
        return (yield from self._followed(job, artifacts=artifacts))

    def job(self, job: JobRef) -> Steps[Job]:
        """A job as it is now."""
        return (yield from self._get(Job, path_of("jobs", job_id_of(job))))

    def jobs(
        self,
        *,
        state: StateName | None = None,
        limit: int = 20,
        newest_first: bool = True,
        after: JobRef | None = None,
    ) -> Steps[list[Job]]:
        """Your jobs.

        Args:
            state: only those in this state.
            limit: how many at most.
            newest_first: or the oldest.
            after: those that follow this one.
        """
        found: list[Job] = []
        behind = None if after is None else job_id_of(after)
        while len(found) < limit:
            size = min(limit - len(found), _PAGE)
            order = "desc" if newest_first else "asc"
            params = query(after=behind, limit=size, order=order, state=state)
            page = yield from self._get(JobList, "/jobs", params)
            found += page.jobs
            behind = page.next
            if behind is None:
                break
        return found

    def cancel(self, job: JobRef) -> Steps[Job]:
        """Cancel a job: a queued one at once, a running one at its next step.

        Raises:
            JobFinal: it has ended otherwise.
        """
        job_id = job_id_of(job)
        try:
            call = Call("DELETE", path_of("jobs", job_id))
            return parsed(Job, (yield from exchange(call, self._policy)))
        except JobFinal:
            found = yield from self.job(job_id)
            if found.state == "canceled":  # by a try whose answer was lost, or somebody else
                return found
            raise

    def categories(self) -> Steps[list[str]]:
        """What can be generated."""
        found = yield from self._get(CategoryList, "/categories")
        return [category.name for category in found.categories]

    def models(self) -> Steps[list[Model]]:
        """The loaded models: levels, weights, licence, defaults."""
        return list((yield from self._get(ModelList, "/models")).models)

    def shape(self, shape: ShapeRef) -> Steps[ShapeDetail]:
        """A shape's record: seed, category, parents, model, and how long it is kept."""
        return (yield from self._get(ShapeDetail, path_of("shapes", shape_id_of(shape))))

    def tree(self, shape: ShapeRef) -> Steps[Lineage]:
        """A shape's ancestors and descendants."""
        return (yield from self._get(Lineage, path_of("shapes", shape_id_of(shape), "tree")))

    def mesh_file(
        self,
        shape: ShapeRef,
        *,
        format: MeshFormat | None = None,  # noqa: A002
        resolution: int | None = None,
        target_faces: int | None = None,
        exhaustive: bool = False,
        space: Space | None = None,
    ) -> Steps[bytes]:
        """A mesh of a shape as a file: the one its job made, or any other, made on demand."""
        params = query(
            format=format,
            resolution=resolution,
            target_faces=target_faces,
            exhaustive=exhaustive,
            space=space,
        )
        return (yield from self._mesh_file(shape_id_of(shape), params))

    def mesh(
        self,
        shape: ShapeRef,
        *,
        format: MeshFormat = "glb",  # noqa: A002
        resolution: int | None = None,
        target_faces: int | None = None,
        exhaustive: bool = False,
        space: Space | None = None,
    ) -> Steps[trimesh.Trimesh]:
        """As ``mesh_file``, read."""
        data = yield from self.mesh_file(
            shape,
            format=format,
            resolution=resolution,
            target_faces=target_faces,
            exhaustive=exhaustive,
            space=space,
        )
        return (yield from work(lambda: read_mesh(data, format)))

    def latents(self, shape: ShapeRef) -> Steps[dict[int, np.ndarray]]:
        """A shape's latents: level to (tokens, channels), float32."""
        data = yield from self._latents_file(shape_id_of(shape))
        return read_latents(data)

    def fetch(self, shape: ShapeRef) -> Steps[Result]:
        """A shape with the mesh that its job made and its latents, downloaded."""
        detail = yield from self.shape(shape)
        return Result((yield from self._files(detail, None)))

    def save(self, shape: ShapeRef, folder: str | Path) -> Steps[Path]:
        """Write a shape's latents and mesh into a folder; results need no download for it."""
        result = shape if isinstance(shape, Result | Results) else (yield from self.fetch(shape))
        return (yield from work(lambda: result.save(folder)))
