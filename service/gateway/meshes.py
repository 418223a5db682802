"""Meshes of shapes that are not there (any more): made again by a decode job, for either skin."""

from dataclasses import replace

from service.contract import DecodeRequest, PlacedMeshRequest
from service.errors import InternalError, WeightsMismatch
from service.gateway.shapes import MeshFile, ShapeService
from service.gateway.submission import Call, JobService, Submission
from service.jobs import Job, JobState


class MeshMaking:
    """Has meshes made that ``ShapeService.cached_mesh`` does not find."""

    def __init__(self, jobs: JobService, shapes: ShapeService) -> None:
        self._jobs = jobs
        self._shapes = shapes

    async def submit(self, shape_id: str, wanted: PlacedMeshRequest, call: Call) -> Submission:
        """A job that makes the mesh; ``wanted`` is complete, as ``mesh_request`` gives it.

        A job of the same idempotency key may have ended, and its mesh been swept: then there is
        another, without the key.

        Raises: as ``JobService.decode``.
        """
        decode = DecodeRequest(shape=shape_id, **wanted.model_dump())
        try:
            submission = await self._jobs.decode(decode, None, call)
        except WeightsMismatch as error:
            raise WeightsMismatch(
                error.detail,
                suggestion="If you know that they fit, decode the shape with any_weights=true"
                " (POST /decode, or Decode); with the same options its mesh is then here too.",
            ) from None
        made = submission.replayed and submission.job.state is JobState.SUCCEEDED
        if made and await self._shapes.cached_mesh(shape_id, wanted) is None:
            call = replace(call, idempotency_key=None)
            return await self._jobs.decode(decode, None, call, counted=True)
        return submission

    async def made(self, shape_id: str, wanted: PlacedMeshRequest, job: Job) -> MeshFile:
        """The mesh that a succeeded job made."""
        mesh = await self._shapes.cached_mesh(shape_id, wanted)
        if mesh is None:
            raise InternalError("The worker made no mesh.", job=job.id)
        return mesh
