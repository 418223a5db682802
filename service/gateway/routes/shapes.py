"""Shapes: record, mesh, latents, lineage."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.contract import (
    LatentsFileRequest,
    Lineage,
    PlacedMeshRequest,
    ShapeDetail,
)
from service.gateway.etag import already_known, tag_of
from service.gateway.exchange import (
    CallOf,
    Exchange,
    ExchangeOf,
    file_response,
    mesh_response,
)
from service.gateway.head import head_alone
from service.gateway.negotiation import accept_of, preferred_mesh_format
from service.gateway.openapi import (
    LATENTS_FILE,
    LATENTS_PROBLEMS,
    LOOKUP_PROBLEMS,
    MESH_FILE,
    SUBMISSION,
    UNCHANGED,
)
from service.gateway.shapes import MeshFile
from service.gateway.state import GatewayOf
from service.gateway.upload import refuse_body

router = APIRouter(tags=["shapes"])


@router.get("/shapes/{shape_id}", responses=LOOKUP_PROBLEMS)
async def get_shape(shape_id: str, gateway: GatewayOf, call: CallOf) -> ShapeDetail:
    """A shape: seed, category, parents, model, latents, mesh."""
    return await gateway.shapes.get(shape_id, call)


@router.get(
    "/shapes/{shape_id}/mesh",
    response_class=Response,
    responses={200: MESH_FILE, 202: SUBMISSION[202], 304: UNCHANGED, **LATENTS_PROBLEMS},
)
async def get_mesh(
    shape_id: str, query: Annotated[PlacedMeshRequest, Query()], exchange: ExchangeOf
) -> Response:
    """A mesh of a shape: the one its job made, or any other, which is then decoded on demand.

    `format` chooses the file format, else `Accept` by a type of meshes, else it is glb. HEAD makes
    no mesh: without `Content-Length` it would have to be made.
    """
    await refuse_body(exchange.request)
    shapes = exchange.gateway.shapes
    if "format" not in query.model_fields_set:
        preferred = preferred_mesh_format(accept_of(exchange.request.headers))
        query = query.model_copy(update={"format": preferred})
    wanted = await shapes.mesh_request(shape_id, query, exchange.call)
    mesh = await shapes.cached_mesh(shape_id, wanted)
    if mesh is not None:
        response = await _revalidated(exchange.request, mesh_response(mesh))
    elif exchange.request.state.head:
        response = head_alone(mesh_response(MeshFile(shape_id, wanted.format, b"")))
    else:
        response = await _decoded(shape_id, wanted, exchange)
    response.headers["Vary"] = "Accept, Prefer"
    return response


@router.get(
    "/shapes/{shape_id}/latents",
    response_class=Response,
    responses={200: LATENTS_FILE, 304: UNCHANGED, **LOOKUP_PROBLEMS},
)
async def get_latents(
    shape_id: str,
    query: Annotated[LatentsFileRequest, Query()],
    request: Request,
    gateway: GatewayOf,
    call: CallOf,
) -> Response:
    """A shape's latents as a file: from them every mesh can be made again, here or elsewhere.

    `format` alone chooses the container: neither has a media type of its own.
    """
    data = await gateway.shapes.latents(shape_id, query.format, call)
    response = file_response(data, "application/octet-stream", f"{shape_id}.{query.format}")
    return await _revalidated(request, response)


@router.get("/shapes/{shape_id}/tree", responses=LOOKUP_PROBLEMS)
async def get_tree(shape_id: str, gateway: GatewayOf, call: CallOf) -> Lineage:
    """A shape's ancestors and descendants."""
    return await gateway.shapes.tree(shape_id, call)


async def _decoded(shape_id: str, wanted: PlacedMeshRequest, exchange: Exchange) -> Response:
    """A mesh that is not there, by a job: it, or where the job goes on."""
    exchange.request.state.submits = True
    making = exchange.gateway.making
    submission = await making.submit(shape_id, wanted, exchange.call)
    job = await exchange.finished(submission)
    if not job.state.terminal:
        return await exchange.accepted(job)
    mesh = await making.made(shape_id, wanted, job)
    return await _revalidated(exchange.request, mesh_response(mesh))


async def _revalidated(request: Request, response: Response) -> Response:
    """The response with an ETag, or 304 where the caller has these bytes already."""
    tag = await tag_of(bytes(response.body))
    if already_known(request, tag):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return response
