"""The same calls over REST and over gRPC, with answers in one form: see plain.py."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import httpx
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from service.errors import ERROR_SPECS, ErrorCode
from service.pb import lagem_pb2 as pb
from service.pb.lagem_pb2_grpc import LagemServiceStub
from tests.service.transport.plain import (
    artifact_dict,
    enum_name,
    fields_dict,
    job_dict,
    moment,
    optional,
    plain,
    shape_dict,
)

CHUNK = 2**16
_MESH = ("resolution", "target_faces", "exhaustive", "format", "space")
_SAMPLING = ("seed", "n", "steps", "guidance")


@dataclass
class Refusal(Exception):
    """An error as a caller sees it."""

    code: str
    detail: str
    suggestion: str | None
    param: str | None
    job: str | None
    retry_after: bool
    request_id: str


@dataclass(frozen=True)
class Event:
    kind: str
    seq: int
    data: dict[str, Any]
    file: bytes = b""


class RestDriver:
    """Calls over REST."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def submit(
        self,
        operation: str,
        *,
        body: bytes = b"",
        wait_s: int | None = None,
        key: str | None = None,
        **params: object,
    ) -> dict[str, Any]:
        headers = {} if key is None else {"Idempotency-Key": key}
        if wait_s is not None:
            headers["Prefer"] = "respond-async" if wait_s == 0 else f"wait={wait_s}"
        response = await self._ask("POST", f"/{operation}", params, headers, body)
        return plain(response.json())

    async def job(self, job_id: str) -> dict[str, Any]:
        return plain((await self._ask("GET", f"/jobs/{job_id}")).json())

    async def jobs(self, **params: object) -> dict[str, Any]:
        return plain((await self._ask("GET", "/jobs", params)).json())

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return plain((await self._ask("DELETE", f"/jobs/{job_id}")).json())

    async def watch(self, job_id: str, after: int | None = None) -> AsyncIterator[Event]:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with self._client.stream(
            "GET", f"/jobs/{job_id}/events", headers=headers
        ) as response:
            if response.status_code >= 400:
                await response.aread()
                raise _refusal_of(response)
            fields: dict[str, str] = {}
            async for line in response.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    data = json.loads(fields["data"])
                    artifact = fields["event"] == "artifact"
                    file = (await self._client.get(data["url"])).content if artifact else b""
                    yield Event(fields["event"], int(fields["id"]), plain(data), file)
                    fields = {}

    async def mesh(
        self, shape: str, *, wait_s: int | None = None, key: str | None = None, **params: object
    ) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
        response = await self._ask("GET", f"/shapes/{shape}/mesh", params, headers)
        return plain(response.json()) if response.status_code == 202 else response.content

    async def latents(self, shape: str, **params: object) -> bytes:
        return (await self._ask("GET", f"/shapes/{shape}/latents", params)).content

    async def shape(self, shape: str) -> dict[str, Any]:
        return plain((await self._ask("GET", f"/shapes/{shape}")).json())

    async def tree(self, shape: str) -> dict[str, Any]:
        tree = plain((await self._ask("GET", f"/shapes/{shape}/tree")).json())
        assert tree.pop("id") == shape
        return tree

    async def model(self) -> dict[str, Any]:
        (model,) = (await self._ask("GET", "/models")).json()["models"]
        return model

    async def categories(self) -> list[str]:
        found = (await self._ask("GET", "/categories")).json()["categories"]
        return [category["name"] for category in found]

    async def _ask(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> httpx.Response:
        response = await self._client.request(
            method, path, params=params, headers=headers, content=body
        )
        if response.status_code >= 400:
            raise _refusal_of(response)
        return response


class GrpcDriver:
    """Calls over gRPC; parameters with the names that REST has."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub: Any = LagemServiceStub(channel)

    async def submit(
        self,
        operation: str,
        *,
        body: bytes = b"",
        wait_s: int | None = None,
        key: str | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        metadata = () if key is None else (("idempotency-key", key),)
        mesh = {name: params.pop(name) for name in _MESH if name in params}
        sampling = {name: params.pop(name) for name in _SAMPLING if name in params}
        params["mesh"] = mesh_options(**mesh)
        if sampling:
            params["sampling"] = pb.SamplingOptions(**sampling)
        if wait_s is not None:
            params["wait_s"] = wait_s
        if operation == "encode":
            messages = encode_messages(body, **params)
            return _job(await _answer(self.stub.Encode(messages, metadata=metadata)))
        if body:
            params["latents"] = body
        levels = {
            name: params.pop(name) for name in ("level3", "level2", "level1") if name in params
        }
        if levels:
            params["mix"] = pb.LevelMix(**levels)
        name = operation.title()
        request = getattr(pb, f"{name}Request")(**params)
        return _job(await _answer(getattr(self.stub, name)(request, metadata=metadata)))

    async def job(self, job_id: str) -> dict[str, Any]:
        return _job(await _answer(self.stub.GetJob(pb.GetJobRequest(id=job_id))))

    async def jobs(self, order: str = "desc", state: str | None = None, **params: Any) -> Any:
        if state is not None:
            params["state"] = f"JOB_STATE_{state.upper()}"
        request = pb.ListJobsRequest(ascending=order == "asc", **params)
        page = await _answer(self.stub.ListJobs(request))
        return {"jobs": [job_dict(job) for job in page.jobs], "next": optional(page, "next")}

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return _job(await _answer(self.stub.CancelJob(pb.CancelJobRequest(id=job_id))))

    async def watch(self, job_id: str, after: int | None = None) -> AsyncIterator[Event]:
        call = self.stub.WatchJob(pb.WatchJobRequest(id=job_id, after=after))
        artifact: dict[str, Any] | None = None
        file = b""
        async for message in _messages(call):
            kind = enum_name(pb.EventKind, message.kind)
            if message.WhichOneof("event") == "artifact":
                artifact, file = artifact_dict(message.artifact), b""
            elif message.WhichOneof("event") == "chunk":
                file += message.chunk
            else:
                yield Event(kind, message.seq, job_dict(message.job))
            if artifact is not None and len(file) == artifact["bytes"]:
                yield Event(kind, message.seq, artifact, file)
                artifact = None

    async def mesh(
        self, shape: str, *, wait_s: int | None = None, key: str | None = None, **params: Any
    ) -> Any:
        metadata = () if key is None else (("idempotency-key", key),)
        request = pb.GetMeshRequest(shape=shape, mesh=mesh_options(**params), wait_s=wait_s)
        call = self.stub.GetMesh(request, metadata=metadata)
        messages = [message async for message in _messages(call)]
        if messages[0].HasField("job"):
            assert len(messages) == 1
            return job_dict(messages[0].job)
        return b"".join(message.chunk for message in messages)

    async def latents(self, shape: str, **params: str) -> bytes:
        named = {name: f"LATENTS_FORMAT_{value.upper()}" for name, value in params.items()}
        call = self.stub.GetLatents(pb.GetLatentsRequest(shape=shape, **named))
        return b"".join([message.chunk async for message in _messages(call)])

    async def shape(self, shape: str) -> dict[str, Any]:
        reply = await _answer(self.stub.GetShape(pb.GetShapeRequest(shape=shape)))
        return shape_dict(reply.shape) | {
            "operation": reply.operation,
            "model": fields_dict(reply.model),
            "created_at": moment(reply, "created_at"),
        }

    async def tree(self, shape: str) -> dict[str, Any]:
        reply = await _answer(self.stub.GetTree(pb.GetTreeRequest(shape=shape)))
        nodes = [fields_dict(node) | {"operation": node.operation or None} for node in reply.nodes]
        return fields_dict(reply) | {"nodes": nodes}

    async def model(self) -> dict[str, Any]:
        reply = await _answer(self.stub.GetModel(pb.GetModelRequest()))
        levels = [fields_dict(level) for level in reply.levels]
        return fields_dict(reply) | {"levels": levels, "defaults": fields_dict(reply.defaults)}

    async def categories(self) -> list[str]:
        reply = await _answer(self.stub.ListCategories(pb.ListCategoriesRequest()))
        return [category.name for category in reply.categories]


def mesh_options(
    format: Any = None,  # noqa: A002 (the name in REST)
    space: Any = None,
    **params: Any,
) -> pb.MeshOptions:
    return pb.MeshOptions(
        format=f"MESH_FORMAT_{format.upper()}" if isinstance(format, str) else format,
        space=f"SPACE_{space.upper()}" if isinstance(space, str) else space,
        **params,
    )


def encode_messages(body: bytes, **options: Any) -> Iterator[pb.EncodeRequest]:
    yield pb.EncodeRequest(options=pb.EncodeOptions(**options))
    for start in range(0, len(body), CHUNK):
        yield pb.EncodeRequest(chunk=body[start : start + CHUNK])


def refusal_of_call(error: grpc.aio.AioRpcError) -> Refusal:
    """The error of a call; its rich status must agree with the one table."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None, error
    info, violation, retry = ErrorInfo(), BadRequest(), RetryInfo()
    found = [detail.Is(info.DESCRIPTOR) and detail.Unpack(info) for detail in status.details]
    assert found[0]
    has_violation = any(one.Unpack(violation) for one in status.details)
    has_retry = any(one.Unpack(retry) for one in status.details)
    assert info.domain == "lagem"
    assert error.code().name == ERROR_SPECS[ErrorCode(info.reason)].grpc
    assert not has_retry or retry.retry_delay.seconds >= 1
    return Refusal(
        code=info.reason,
        detail=status.message,
        suggestion=info.metadata.get("suggestion"),
        param=violation.field_violations[0].field if has_violation else None,
        job=info.metadata.get("job"),
        retry_after=has_retry,
        request_id=info.metadata["request_id"],
    )


def _refusal_of(response: httpx.Response) -> Refusal:
    problem = response.json()
    assert problem["status"] == response.status_code == ERROR_SPECS[problem["code"]].http
    return Refusal(
        code=problem["code"],
        detail=problem["detail"],
        suggestion=problem["suggestion"],
        param=problem["param"],
        job=problem["job"],
        retry_after="retry-after" in response.headers,
        request_id=problem["request_id"],
    )


async def _answer(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise refusal_of_call(error) from error


async def _messages(call: Any) -> AsyncIterator[Any]:
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise refusal_of_call(error) from error


def _job(reply: Any) -> dict[str, Any]:
    return job_dict(reply.job)
