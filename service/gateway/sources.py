"""Where the latents of a resample or decode request come from."""

import asyncio
import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.latentfile import LatentFile, LatentFileError
from service.contract import SEED_MODULUS, DecodeRequest, Frame, LatentsRequest, Model
from service.errors import InternalError, InvalidLatents, InvalidParameter, NotFound
from service.gateway.catalogue import check_sizes, check_weights
from service.jobqueue import refusals
from service.jobqueue.queue import JobQueue
from service.jobs import ShapeRecord
from service.store.blobs import BlobMissing, BlobStore

IDENTITY = Frame(center=(0.0, 0.0, 0.0), scale=1.0)
"""The frame of shapes that come from no upload."""

LARGEST_LATENT = 1e6
"""Bottlenecks normalise: models make values below ten, and far larger ones overflow in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsSource:
    """Checked latents: a blob that is there already (``ref``), or a new one (``data``).

    Attributes:
        parents: shapes that something made from the latents comes from.
        shape: the record whose latents these are, unchanged, be it named or uploaded.
        digest: tells uploads apart; empty where the request's parameters say it all.
        normalization: the user's frame to the canonical one.
        category: what the shape is, where that is known.
    """

    parents: tuple[str, ...]
    normalization: Frame
    shape: ShapeRecord | None = None
    category: str | None = None
    ref: str | None = None
    data: bytes | None = None
    digest: str = ""


def read_latents(data: bytes) -> LatentFile:
    """Uploaded latents.

    Raises:
        InvalidLatents: the bytes are no latents; says why.
    """
    try:
        return LatentFile.from_bytes(data)
    except LatentFileError as error:
        raise InvalidLatents(
            f"The uploaded latents cannot be used: {error}.",
            suggestion="Send what GET /shapes/{id}/latents gave: safetensors, or npz.",
        ) from None


async def find_shape(
    queue: JobQueue, shape_id: str, tenant: str, *, param: str | None = None
) -> ShapeRecord:
    """The record of a tenant's shape; ``param`` is the parameter that named it, for the error.

    Raises:
        NotFound: there is no such shape, or it has expired, or it is somebody else's.
    """
    record = await queue.shape(shape_id)
    if record is None or record.tenant != tenant:
        expired_ms = None if record else await queue.shape_expiry(shape_id, tenant)
        raise refusals.shape_not_found(shape_id, expired_ms, param)
    return record


class LatentsSources:
    """Finds and checks the latents that requests start from."""

    def __init__(self, queue: JobQueue, blobs: BlobStore) -> None:
        self._queue = queue
        self._blobs = blobs

    async def one(
        self, request: LatentsRequest, upload: LatentFile | None, model: Model, tenant: str
    ) -> LatentsSource:
        """The latents of one of the tenant's shapes, or the uploaded ones.

        Raises:
            InvalidParameter: the request names neither, or both.
            NotFound: the shape is unknown or has expired.
            LatentsError: the latents do not fit the model.
        """
        if (request.shape is None) == (upload is None):
            raise InvalidParameter(
                "Latents are needed once: as shape, or as the body, not both or none.",
                suggestion="Name a shape as shape=shp_..., or send a safetensors or npz file.",
                param="shape",
            )
        if upload is not None:
            return await self._uploaded(upload, request, model, tenant)
        assert request.shape is not None
        record = await find_shape(self._queue, request.shape, tenant, param="shape")
        if request.any_weights:
            check_sizes(model, await self.load(record))
        else:
            check_weights(model, record.meta["model"]["weights_sha256"])
            await self._require_blob(record)
        return LatentsSource(
            parents=(record.id,),
            shape=record,
            normalization=Frame(**record.meta["normalization"]),
            category=record.meta["category"],
            ref=record.latents_ref,
        )

    async def mixed(
        self, request: DecodeRequest, upload: LatentFile | None, model: Model, tenant: str
    ) -> LatentsSource:
        """Each level from the shape named for it; the place is that of the coarsest one.

        Raises: as ``one``.
        """
        if upload is not None or request.shape is not None:
            raise InvalidParameter(
                "Levels of several shapes exclude shape and a body.",
                suggestion="Name a shape for each level, and nothing else.",
                param="shape" if request.shape is not None else None,
            )
        levels = sorted((level.level for level in model.levels), reverse=True)
        if sorted(request.mix, reverse=True) != levels:
            missing = sorted(set(levels) ^ set(request.mix), reverse=True)
            raise InvalidParameter(
                f"The loaded model has the levels {levels}: each needs its shape, and no other.",
                param=f"level{missing[0]}",
            )
        records = {
            level: await find_shape(self._queue, shape, tenant, param=f"level{level}")
            for level, shape in request.mix.items()
        }
        if not request.any_weights:
            for record in records.values():
                check_weights(model, record.meta["model"]["weights_sha256"])
        mixed = LatentFile(
            {level: await self._level(record, level) for level, record in records.items()}
        )
        check_sizes(model, mixed)
        return LatentsSource(
            parents=tuple(dict.fromkeys(request.mix.values())),
            normalization=Frame(**records[levels[0]].meta["normalization"]),
            data=mixed.to_safetensors(),
        )

    async def file(self, record: ShapeRecord) -> bytes:
        """The latents of a shape as they were stored: safetensors.

        Raises:
            NotFound: they have expired.
        """
        try:
            return await self._blobs.get(record.latents_ref)
        except BlobMissing:
            raise _expired(record.id) from None

    async def load(self, record: ShapeRecord) -> LatentFile:
        """The latents of a shape. Raises as ``file``."""
        data = await self.file(record)
        try:
            return await asyncio.to_thread(LatentFile.from_safetensors, data)
        except LatentFileError as error:
            raise InternalError(f"The stored latents of {record.id} are broken.") from error

    async def _level(self, record: ShapeRecord, level: int) -> NDArray[np.float32]:
        """One level of a shape; what other weights made may have others."""
        levels = (await self.load(record)).levels
        if level not in levels:
            raise InvalidLatents(
                f"The shape {record.id} has no level {level}: its levels are {sorted(levels)}.",
                suggestion="Name one that a model with the loaded one's levels made.",
                param=f"level{level}",
            )
        return levels[level]

    async def _require_blob(self, record: ShapeRecord) -> None:
        if not await self._blobs.exists(record.latents_ref):
            raise _expired(record.id)

    async def _uploaded(
        self, upload: LatentFile, request: LatentsRequest, model: Model, tenant: str
    ) -> LatentsSource:
        check_sizes(model, upload)
        _check_values(upload)
        if not request.any_weights:
            check_weights(model, upload.metadata.get("weights_sha256"))
        _check_seed(upload)
        data = upload.to_safetensors()
        named = await self._queue.shape(upload.metadata.get("shape", ""))
        parent = named if named is not None and named.tenant == tenant else None
        unchanged = parent if parent and await self._is_stored(data, parent) else None
        return LatentsSource(
            parents=(parent.id,) if parent else (),
            shape=unchanged,
            normalization=_frame(upload),
            category=upload.metadata.get("category") or None,
            ref=unchanged.latents_ref if unchanged else None,
            data=None if unchanged else data,
            digest=hashlib.sha256(data).hexdigest(),
        )

    async def _is_stored(self, data: bytes, record: ShapeRecord) -> bool:
        try:
            return await self._blobs.get(record.latents_ref) == data
        except BlobMissing:
            return False


def _frame(latents: LatentFile) -> Frame:
    text = latents.metadata.get("normalization")
    if text is None:
        return IDENTITY
    try:
        return Frame.model_validate(json.loads(text))
    except (ValueError, RecursionError):
        raise InvalidLatents(
            f"The normalization in the metadata of the latents is not usable: {text[:100]!r}.",
            suggestion='It is JSON such as {"center": [0, 0, 0], "scale": 1.0}.',
        ) from None


def _check_values(latents: LatentFile) -> None:
    for level, vectors in latents.levels.items():
        largest = float(np.abs(vectors).max())
        if largest > LARGEST_LATENT:
            raise InvalidLatents(
                f"level{level} has values of up to {largest:.3g}.",
                suggestion=f"Latents are of the size of 1; {LARGEST_LATENT:,.0f} is taken at most.",
            )


def _check_seed(latents: LatentFile) -> None:
    text = latents.metadata.get("seed", "")
    if text and not (
        text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < SEED_MODULUS
    ):
        raise InvalidLatents(
            f"The seed in the metadata of the latents is no uint64: {text[:100]!r}.",
            suggestion="Leave it out, or empty.",
        )


def _expired(shape_id: str) -> NotFound:
    return NotFound(
        f"The latents of {shape_id} have expired.",
        suggestion="Download the latents of shapes that are to last.",
    )
