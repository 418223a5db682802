"""What every transport offers on shapes: their record, meshes, latents, lineage, archives."""

import asyncio
import io
import zipfile
from dataclasses import dataclass

from service import contract
from service.contract import LatentsFormat, Lineage, MeshFormat, PlacedMeshRequest
from service.errors import NotFound
from service.gateway.sources import LatentsSources, find_shape
from service.gateway.submission import Call
from service.gateway.views import lineage_node, shape_view
from service.jobqueue.queue import JobQueue
from service.jobs import Job
from service.store.blobs import BlobMissing, BlobStore
from service.store.refs import mesh_ref

_FAMILY_LIMIT = 256
"""Shapes that one lineage shows at most."""

_MESH_OPTIONS = ("resolution", "target_faces", "exhaustive", "space")


@dataclass(frozen=True, slots=True)
class MeshFile:
    """A mesh of a shape, as a file."""

    shape_id: str
    format: MeshFormat
    data: bytes

    @property
    def name(self) -> str:
        """What to call the file."""
        return f"{self.shape_id}.{self.format}"


class ShapeService:
    """Reads shapes; their latents are lasting, their meshes are a cache."""

    def __init__(self, queue: JobQueue, blobs: BlobStore) -> None:
        self._queue = queue
        self._blobs = blobs
        self._sources = LatentsSources(queue, blobs)

    async def get(self, shape_id: str, call: Call) -> contract.ShapeDetail:
        """A shape of the caller's, with its provenance.

        Raises:
            NotFound: there is no such shape (any more), or it is somebody else's; true of all
                methods that take a call.
        """
        return shape_view(await find_shape(self._queue, shape_id, call.tenant))

    async def mesh_request(
        self, shape_id: str, request: PlacedMeshRequest, call: Call
    ) -> PlacedMeshRequest:
        """``request`` with what it leaves out.

        Without any option but ``format`` it means the mesh that the shape's own job made, else
        only the resolution is taken from there.
        """
        record = await find_shape(self._queue, shape_id, call.tenant)
        mesh = contract.Mesh.model_validate(record.meta["mesh"])
        own = {name: getattr(mesh, name) for name in _MESH_OPTIONS}
        if not request.model_fields_set & own.keys():
            return request.model_copy(update=own)
        if request.resolution is None:
            return request.model_copy(update={"resolution": own["resolution"]})
        return request

    async def cached_mesh(self, shape_id: str, request: PlacedMeshRequest) -> MeshFile | None:
        """The mesh, if it is there: a complete ``request`` as ``mesh_request`` gives it.

        It does not ask whose the shape is: ``mesh_request`` did.
        """
        assert request.resolution is not None
        ref = mesh_ref(
            shape_id,
            resolution=request.resolution,
            target_faces=request.target_faces,
            exhaustive=request.exhaustive,
            space=request.space,
            format=request.format,
        )
        try:
            return MeshFile(shape_id, request.format, await self._blobs.get(ref))
        except BlobMissing:
            return None

    async def job_meshes(self, job: Job) -> list[MeshFile]:
        """The meshes that a succeeded job made, in the order of its samples.

        Raises:
            NotFound: they have expired.
        """
        options = PlacedMeshRequest.model_fields.keys() & job.params.keys()
        request = PlacedMeshRequest(**{name: job.params[name] for name in options})
        meshes = []
        for shape in (job.result or {}).get("shapes", ()):
            mesh = await self.cached_mesh(shape["id"], request)
            if mesh is None:
                raise NotFound(
                    f"The mesh of {shape['id']} has expired.",
                    suggestion=f"GET /shapes/{shape['id']}/mesh makes it again.",
                    job=job.id,
                )
            meshes.append(mesh)
        return meshes

    async def latents(self, shape_id: str, container: LatentsFormat, call: Call) -> bytes:
        """A shape's latents as a file."""
        record = await find_shape(self._queue, shape_id, call.tenant)
        if container == "npz":
            latents = await self._sources.load(record)
            return await asyncio.to_thread(latents.to_npz)
        return await self._sources.file(record)  # the same bytes each time: its ETag holds

    async def archive(self, job: Job, view: contract.Job) -> bytes:
        """A zip with everything a succeeded job made: meshes, latents, and its record."""
        meshes = await self.job_meshes(job)
        members: dict[str, bytes] = {"job.json": view.model_dump_json(indent=1).encode()}
        for mesh in meshes:
            members[f"{mesh.shape_id}/mesh.{mesh.format}"] = mesh.data
            latents = await self.latents(mesh.shape_id, "safetensors", Call(tenant=job.tenant))
            members[f"{mesh.shape_id}/latents.safetensors"] = latents
        return await asyncio.to_thread(_zip, members)

    async def tree(self, shape_id: str, call: Call) -> Lineage:
        """A shape's ancestors and descendants, as far as they are the caller's."""
        root = await find_shape(self._queue, shape_id, call.tenant)
        found = await self._queue.family(shape_id, call.tenant, limit=_FAMILY_LIMIT + 1)
        nodes = tuple(lineage_node(relative) for relative in found[:_FAMILY_LIMIT])
        unnamed = any(node.children_count > len(node.children) for node in nodes)
        return Lineage(
            id=shape_id,
            parents=root.parents,
            children=nodes[0].children,
            children_count=nodes[0].children_count,
            nodes=nodes,
            truncated=unnamed or len(found) > _FAMILY_LIMIT,
        )


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()
