"""The stream of an encode call: options, then the mesh in chunks, into a temporary file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import InvalidParameter, MalformedRequest
from service.gateway.upload import Upload, spooled_upload, upload_too_large
from service.pb import lagem_pb2 as pb

MAX_CHUNK_BYTES = 256 * 2**10

_ORDER = "Send the options first (they may be empty), then the file in chunks."


async def received_options(
    messages: AsyncIterator[pb.EncodeRequest], max_seconds: float
) -> pb.EncodeOptions:
    """What the first message carries.

    Raises:
        MalformedRequest: there is none in this time, or it has something else.
    """
    first = await _next(messages, asyncio.get_running_loop().time() + max_seconds, max_seconds)
    if first is None or first.WhichOneof("part") != "options":
        found = "The stream is empty." if first is None else "The first message has no options."
        raise MalformedRequest(found, suggestion=_ORDER)
    return first.options


@asynccontextmanager
async def received_chunks(
    messages: AsyncIterator[pb.EncodeRequest], *, max_bytes: int, max_seconds: float
) -> AsyncIterator[Upload]:
    """The rest of the messages as a file, which ends with the context.

    Raises:
        MeshTooLarge: the chunks are together larger than the deployment takes.
        MalformedRequest: there is no chunk, or a message with something else, or it takes too long.
        InvalidParameter: a chunk is too large.
    """
    async with spooled_upload(_chunks(messages, max_bytes, max_seconds)) as upload:
        if upload.size == 0:
            raise MalformedRequest("The stream has no mesh.", suggestion=_ORDER)
        yield upload


async def _next(
    messages: AsyncIterator[pb.EncodeRequest], end: float, max_seconds: float
) -> pb.EncodeRequest | None:
    """The next message, None at the end of the stream; there is a moment when all must be there."""
    try:
        async with asyncio.timeout_at(end):
            return await anext(messages, None)
    except TimeoutError:
        raise MalformedRequest(
            f"The mesh took more than {max_seconds:g} seconds to arrive.",
            suggestion="Send all of it, at a better connection, or as a smaller file.",
        ) from None


async def _chunks(
    messages: AsyncIterator[pb.EncodeRequest], max_bytes: int, max_seconds: float
) -> AsyncIterator[bytes]:
    received = 0
    end = asyncio.get_running_loop().time() + max_seconds
    while (message := await _next(messages, end, max_seconds)) is not None:
        if message.WhichOneof("part") != "chunk":
            raise MalformedRequest("A message after the first has no chunk.", suggestion=_ORDER)
        if len(message.chunk) > MAX_CHUNK_BYTES:
            raise InvalidParameter(
                f"A chunk has {len(message.chunk):,} bytes.",
                suggestion=f"Use chunks of at most {MAX_CHUNK_BYTES:,} bytes.",
                param="chunk",
            )
        received += len(message.chunk)
        if received > max_bytes:
            raise upload_too_large(max_bytes)
        yield message.chunk


def in_chunks(data: bytes) -> list[bytes]:
    """A file as messages carry it; one empty chunk for an empty file."""
    starts = range(0, max(len(data), 1), MAX_CHUNK_BYTES)
    return [data[start : start + MAX_CHUNK_BYTES] for start in starts]
