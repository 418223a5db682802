"""The four operations: encode, generate, resample, decode."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from model.latentfile import LatentFile
from service.contract import DecodeRequest, EncodeRequest, GenerateRequest, ResampleRequest
from service.errors import MalformedRequest
from service.gateway.exchange import ExchangeOf
from service.gateway.openapi import (
    LATENTS_BODY,
    LATENTS_PROBLEMS,
    MESH_BODY,
    MESH_PROBLEMS,
    SUBMISSION,
    SUBMISSION_PROBLEMS,
)
from service.gateway.sources import read_latents
from service.gateway.upload import refuse_body

router = APIRouter(tags=["operations"], responses=SUBMISSION)


@router.post("/encode", openapi_extra={"requestBody": MESH_BODY}, responses=MESH_PROBLEMS)
async def encode(query: Annotated[EncodeRequest, Query()], exchange: ExchangeOf) -> Response:
    """Turn a mesh into a shape: its latents per level, and its reconstruction with metrics.

    Formats: glb, self-contained gltf, obj, stl, ply, off; or a point cloud (ply, npy) of at least
    512 points. The bytes decide, not the name.
    """
    wanted, shown = exchange.negotiate(query)
    async with exchange.upload() as upload:
        if upload.size == 0:
            raise MalformedRequest(
                "The request has no body.",
                suggestion="For example: curl --data-binary @table.glb, or -F file=@table.glb.",
            )
        submission = await exchange.gateway.jobs.encode(wanted, upload, exchange.call)
    return await exchange.answer(submission, shown)


@router.post("/generate", responses=SUBMISSION_PROBLEMS)
async def generate(query: Annotated[GenerateRequest, Query()], exchange: ExchangeOf) -> Response:
    """Make new shapes of a category, or of any.

    The same request with the same `seed` makes the same shape; sample i of n has `seed` + i.
    """
    wanted, shown = exchange.negotiate(query)
    await refuse_body(exchange.request)
    submission = await exchange.gateway.jobs.generate(wanted, exchange.call)
    return await exchange.answer(submission, shown)


@router.post("/resample", openapi_extra={"requestBody": LATENTS_BODY}, responses=LATENTS_PROBLEMS)
async def resample(query: Annotated[ResampleRequest, Query()], exchange: ExchangeOf) -> Response:
    """Make variants of a shape: keep its coarse levels, make the finer ones anew.

    `keep_level=3` keeps the main structure, `keep_level=2` major details too. Latents come from
    `shape`, or are the body. Each variant tells how far it is from its parent
    (`metrics.parent_distance`).
    """
    wanted, shown = exchange.negotiate(query)
    latents = await _latents_of(exchange)
    submission = await exchange.gateway.jobs.resample(wanted, latents, exchange.call)
    return await exchange.answer(submission, shown)


@router.post("/decode", openapi_extra={"requestBody": LATENTS_BODY}, responses=LATENTS_PROBLEMS)
async def decode(query: Annotated[DecodeRequest, Query()], exchange: ExchangeOf) -> Response:
    """Make a mesh of a shape, of uploaded latents, or (experimental) of levels of several shapes.

    Nothing is sampled. To mix, name a shape for each of `level3`, `level2` and `level1`.
    """
    wanted, shown = exchange.negotiate(query)
    latents = await _latents_of(exchange)
    submission = await exchange.gateway.jobs.decode(wanted, latents, exchange.call)
    return await exchange.answer(submission, shown)


async def _latents_of(exchange: ExchangeOf) -> LatentFile | None:
    """The latents in the body, where there is one."""
    async with exchange.upload() as upload:
        if upload.size == 0:
            return None
        data = await asyncio.to_thread(upload.path.read_bytes)
    return await asyncio.to_thread(read_latents, data)
