"""What only gRPC has: health, reflection, metadata, the rules of streams and messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from grpc_status import rpc_status

from service.errors import InvalidParameter, RateLimited
from service.gateway.grpc.interceptors import SERVICE
from service.gateway.grpc.status import rich_status
from service.gateway.grpc.upload import MAX_CHUNK_BYTES, in_chunks
from service.jobqueue.queue import JobQueue
from service.jobqueue.waiters import JobWaiters
from service.jobs import Job
from service.pb import lagem_pb2 as pb
from service.store.local import LocalBlobStore
from service.store.refs import mesh_ref
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.wire import sphere_bytes
from tests.service.transport.drivers import GrpcDriver, Refusal, RestDriver, refusal_of_call

MESH_OPTIONS = ("resolution", "target_faces", "exhaustive", "space", "format")
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


async def refused(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of_call(caught.value)


async def ended(queue: JobQueue, job_id: str) -> Job:
    async with JobWaiters(queue) as waiters:
        return await waiters.wait(job_id, 30)


async def running(worker: FakeWorker) -> str:
    await asyncio.wait_for(worker.running.wait(), 30)
    return worker.seen[-1].id


# Metadata


async def test_a_request_id_is_echoed_or_chosen(over_grpc: GrpcDriver) -> None:
    for given, expected in [("trace-42", "trace-42"), ("a b<script>", "req_"), (None, "req_")]:
        metadata = () if given is None else (("x-request-id", given),)
        call = over_grpc.stub.ListJobs(pb.ListJobsRequest(), metadata=metadata)
        await call
        told = (await call.initial_metadata())["x-request-id"]
        assert told.startswith(expected)
    call = over_grpc.stub.GetJob(pb.GetJobRequest(), metadata=(("x-request-id", "trace-43"),))
    assert (await refused(call)).request_id == "trace-43"


async def test_a_replay_is_told_in_the_trailing_metadata(
    over_grpc: GrpcDriver, worker: FakeWorker
) -> None:
    replayed = []
    for _ in range(2):
        call = over_grpc.stub.Generate(
            pb.GenerateRequest(), metadata=(("idempotency-key", "once"),)
        )
        await call
        replayed.append((await call.trailing_metadata()).get("idempotent-replayed"))
    assert replayed == [None, "true"]


# Requests


def test_an_error_becomes_a_status_whose_texts_fit_into_headers() -> None:
    error = InvalidParameter("ü" * 5000, suggestion="ß" * 5000, param="n", job="job_1")
    assert len(rich_status(error, request_id="req_1").SerializeToString()) < 4096


def test_retry_after_becomes_a_retry_delay() -> None:
    status = rich_status(RateLimited("Slowly.", retry_after=7), request_id="req_1")
    retry = status.details[-1]
    assert retry.type_url.endswith("google.rpc.RetryInfo")
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


OPTIONS = pb.EncodeRequest(options=pb.EncodeOptions(wait_s=0))


def chunk(size: int) -> pb.EncodeRequest:
    return pb.EncodeRequest(chunk=bytes(size))


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ([], "malformed_request", None),
        ([pb.EncodeRequest()], "malformed_request", None),
        ([chunk(1), OPTIONS], "malformed_request", None),
        ([OPTIONS], "malformed_request", None),
        ([OPTIONS, chunk(0)], "malformed_request", None),
        ([OPTIONS, OPTIONS, chunk(1)], "malformed_request", None),
        ([OPTIONS, chunk(1), pb.EncodeRequest()], "malformed_request", None),
        ([OPTIONS, chunk(MAX_CHUNK_BYTES + 1)], "invalid_parameter", "chunk"),
        ([OPTIONS, *[chunk(MAX_CHUNK_BYTES)] * 5], "mesh_too_large", None),
    ],
)
async def test_a_stream_of_a_mesh_has_its_rules(
    over_grpc: GrpcDriver,
    worker: FakeWorker,
    messages: list[pb.EncodeRequest],
    code: str,
    param: str | None,
) -> None:
    refusal = await refused(over_grpc.stub.Encode(iter(messages)))
    assert (refusal.code, refusal.param) == (code, param)
    assert worker.seen == []


async def test_a_chunk_may_have_256_kib(over_grpc: GrpcDriver, worker: FakeWorker) -> None:
    filler = b"#" * (MAX_CHUNK_BYTES - 1) + b"\n"
    parts = [OPTIONS, pb.EncodeRequest(chunk=filler), pb.EncodeRequest(chunk=sphere_bytes("obj"))]
    reply = await over_grpc.stub.Encode(iter(parts))
    assert reply.job.input.source.faces == 320


def test_files_are_sent_in_chunks_that_join_to_them() -> None:
    for size in (0, 1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1):
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        chunks = in_chunks(data)
        assert b"".join(chunks) == data
        assert max(map(len, chunks)) <= MAX_CHUNK_BYTES
        assert len(chunks) == max(-(-size // MAX_CHUNK_BYTES), 1)


async def test_unknown_numbers_of_enums_are_named(
    over_grpc: GrpcDriver, worker: FakeWorker
) -> None:
    stub = over_grpc.stub
    (shape,) = (await over_grpc.submit("generate"))["shapes"]
    refusal = await refused(stub.ListJobs(pb.ListJobsRequest(state=42)))
    assert (refusal.code, refusal.param) == ("invalid_parameter", "state")
    assert "42" in refusal.detail
    for call in (
        stub.GetMesh(pb.GetMeshRequest(shape=shape["id"], mesh=pb.MeshOptions(format=42))),
        stub.GetLatents(pb.GetLatentsRequest(shape=shape["id"], format=42)),
    ):
        refusal = await refused(anext(aiter(call)))
        assert (refusal.code, refusal.param) == ("invalid_parameter", "format")


async def test_a_message_larger_than_4_mib_is_refused(over_grpc: GrpcDriver) -> None:
    request = pb.DecodeRequest(latents=bytes(4 * 2**20))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await over_grpc.stub.Decode(request)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert rpc_status.from_call(caught.value) is None  # type: ignore[arg-type]  # of gRPC's own


async def test_pages_are_gone_through_by_next(over_grpc: GrpcDriver, worker: FakeWorker) -> None:
    worker.open.clear()
    ids = [(await over_grpc.submit("generate", wait_s=0))["id"] for _ in range(4)]
    for ascending in (False, True):
        found, after = [], None
        while True:
            request = pb.ListJobsRequest(limit=2, after=after, ascending=ascending)
            page = await over_grpc.stub.ListJobs(request)
            found.append([job.id for job in page.jobs])
            if not page.HasField("next"):
                break
            after = page.next
        ordered = sorted(ids, reverse=not ascending)
        assert found == [ordered[:2], ordered[2:]]  # and no empty page behind a full last one


async def test_large_files_come_in_chunks_of_256_kib(
    over_grpc: GrpcDriver, worker: FakeWorker, blobs: LocalBlobStore
) -> None:
    (shape,) = (await over_grpc.submit("generate"))["shapes"]
    data = bytes(range(256)) * 4 * 700
    await blobs.put(
        mesh_ref(shape["id"], **{name: shape["mesh"][name] for name in MESH_OPTIONS}), data
    )
    call = over_grpc.stub.GetMesh(pb.GetMeshRequest(shape=shape["id"]))
    sizes = [len(message.chunk) async for message in call]
    assert sizes == [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, len(data) - 2 * MAX_CHUNK_BYTES]


async def test_an_absurd_id_is_an_error_that_arrives(over_grpc: GrpcDriver) -> None:
    refusal = await refused(over_grpc.stub.GetJob(pb.GetJobRequest(id="é" * 10**6)))
    assert refusal.code == "not_found"


# What surrounds calls


async def test_calls_are_counted_by_method_and_code(
    over_grpc: GrpcDriver, over_rest: RestDriver
) -> None:
    await over_grpc.stub.ListJobs(pb.ListJobsRequest())
    await refused(over_grpc.stub.GetJob(pb.GetJobRequest(id="job_none")))
    text = (await over_rest._client.get("/metrics")).text
    assert 'lagem_grpc_requests_total{code="OK",method="ListJobs"}' in text
    assert 'lagem_grpc_requests_total{code="NOT_FOUND",method="GetJob"}' in text


async def test_health_follows_the_workers(
    channel: grpc.aio.Channel, own_queue: JobQueue, worker: FakeWorker
) -> None:
    health: Any = HealthStub(channel)
    for service in ("", SERVICE):
        request = HealthCheckRequest(service=service)
        assert (await health.Check(request)).status == SERVING
    watching = aiter(health.Watch(HealthCheckRequest()))
    assert (await anext(watching)).status == SERVING
    await own_queue.unregister_worker(worker._id)
    assert (await anext(watching)).status == NOT_SERVING
    assert (await health.Check(HealthCheckRequest())).status == NOT_SERVING
    unknown = HealthCheckRequest(service="other")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(unknown)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    (first,) = [await anext(aiter(health.Watch(unknown)))]
    assert first.status == HealthCheckResponse.SERVICE_UNKNOWN


async def test_reflection_lists_and_describes_the_service(channel: grpc.aio.Channel) -> None:
    def questions() -> Iterator[ServerReflectionRequest]:
        yield ServerReflectionRequest(list_services="")
        yield ServerReflectionRequest(file_containing_symbol=SERVICE)

    stub: Any = ServerReflectionStub(channel)
    listed, described = [answer async for answer in stub.ServerReflectionInfo(questions())]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {SERVICE, "grpc.health.v1.Health"}
    files = described.file_descriptor_response.file_descriptor_proto
    assert pb.DESCRIPTOR.serialized_pb in files


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"/{SERVICE}/Print")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
