"""Uploads over gRPC that do not come to an end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.errors import MalformedRequest
from service.gateway.grpc.upload import received_chunks, received_options
from service.pb import lagem_pb2 as pb


async def stalling(*messages: pb.EncodeRequest) -> AsyncIterator[pb.EncodeRequest]:
    for message in messages:
        yield message
    await asyncio.sleep(60)


async def test_options_that_do_not_come_are_waited_for_no_longer() -> None:
    with pytest.raises(MalformedRequest, match=r"more than 0\.05 seconds"):
        await received_options(stalling(), 0.05)


async def test_a_mesh_has_to_arrive_in_time() -> None:
    stream = stalling(pb.EncodeRequest(chunk=b"abc"), pb.EncodeRequest(chunk=b"def"))
    with pytest.raises(MalformedRequest, match=r"more than 0\.05 seconds"):
        async with received_chunks(stream, max_bytes=100, max_seconds=0.05):
            pytest.fail("the upload is not complete")
