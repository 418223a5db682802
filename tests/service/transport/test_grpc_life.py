"""The gRPC skin of a gateway of a test's own: its keys, its defects, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from structlog.testing import capture_logs

from service.gateway.app import create_app
from service.gateway.grpc.server import GrpcServer
from service.gateway.state import Gateway
from service.jobqueue.queue import JobQueue
from service.pb import lagem_pb2 as pb
from service.pb.lagem_pb2_grpc import LagemServiceStub
from service.settings import GatewaySettings
from tests.ports import free_port
from tests.service.gateway.fakeworker import FakeWorker
from tests.service.gateway.test_main import await_answer
from tests.service.gateway.wire import sphere_bytes
from tests.service.transport.drivers import GrpcDriver, Refusal
from tests.service.transport.test_grpc import refused, running

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING

ALICE, BOB = "alice-has-a-long-key", "bob-has-a-long-key"


@asynccontextmanager
async def own_gateway(
    settings: GatewaySettings, draining: asyncio.Event, defect: Exception | None = None
) -> AsyncIterator[str]:
    """Where it listens."""
    opened: list[GrpcServer] = []

    def beside(gateway: Gateway) -> GrpcServer:
        if defect is not None:
            object.__setattr__(gateway, "jobs", Broken(defect))
        opened.append(GrpcServer(gateway))
        return opened[0]

    app = create_app(settings, draining, beside=beside)
    async with app.router.lifespan_context(app):
        yield f"127.0.0.1:{opened[0].port}"


class Broken:
    def __init__(self, defect: Exception) -> None:
        self._defect = defect

    def __getattr__(self, name: str) -> Any:
        raise self._defect


@pytest.fixture
def own_settings(settings: GatewaySettings, tmp_path: Path) -> GatewaySettings:
    return settings.model_copy(update={"data_dir": tmp_path, "drain_s": 20.0})


async def test_a_defect_is_told_without_its_cause(own_settings: GatewaySettings) -> None:
    defect = RuntimeError("secret detail")
    with capture_logs() as logs:
        async with (
            own_gateway(own_settings, asyncio.Event(), defect) as target,
            grpc.aio.insecure_channel(target) as channel,
        ):
            refusal = await refused(LagemServiceStub(channel).GetJob(pb.GetJobRequest()))
    assert refusal.code == "internal"
    assert "secret" not in f"{refusal.detail} {refusal.suggestion}"
    (failure,) = [line for line in logs if line["event"] == "call failed"]
    assert failure["exc_info"]


async def test_everything_ends_cleanly_when_the_process_is_to_end(
    own_settings: GatewaySettings, worker: FakeWorker
) -> None:
    draining = asyncio.Event()
    worker.open.clear()
    async with (
        own_gateway(own_settings, draining) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        stub: Any = LagemServiceStub(channel)
        health: Any = HealthStub(channel)
        waiting = asyncio.ensure_future(stub.Generate(pb.GenerateRequest()))
        job_id = await running(worker)
        watching = aiter(stub.WatchJob(pb.WatchJobRequest(id=job_id)))
        assert (await anext(watching)).job.id == job_id
        health_watching = aiter(health.Watch(HealthCheckRequest()))
        assert (await anext(health_watching)).status == SERVING

        draining.set()
        async with asyncio.timeout(5):  # far less than drain_s: nothing waits for its end
            assert (await waiting).job.state == pb.JOB_STATE_RUNNING
            assert [answer.status async for answer in health_watching] == [NOT_SERVING]
            assert {message.job.id async for message in watching} <= {job_id}
    async with grpc.aio.insecure_channel(target) as again:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await LagemServiceStub(again).GetJob(pb.GetJobRequest())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_port_in_use_stops_the_start(
    own_settings: GatewaySettings, addresses: tuple[str, str]
) -> None:
    taken = int(addresses[1].rpartition(":")[2])
    with pytest.raises(RuntimeError, match="bind"):
        async with own_gateway(
            own_settings.model_copy(update={"grpc_port": taken}), asyncio.Event()
        ):
            pass


async def test_mesh_readers_are_replaced_while_grpc_runs(
    own_settings: GatewaySettings, worker: FakeWorker
) -> None:
    settings = own_settings.model_copy(update={"parse_timeout_s": 0.001})
    async with (
        own_gateway(settings, asyncio.Event()) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        driver = GrpcDriver(channel)
        for _ in range(3):  # each ends a reader, so that the next one needs a new process
            with pytest.raises(Refusal) as caught:
                await driver.submit("encode", body=sphere_bytes())
            assert caught.value.code == "preprocessing_timeout"
        assert await driver.categories() == ["table", "chair"]


def test_a_signal_ends_both_skins_together(
    redis_server: str, tmp_path: Path, repo_root: Path
) -> None:
    port, grpc_port = free_port(), free_port()
    environment = os.environ | {
        "LAGEM_PORT": str(port),
        "LAGEM_GRPC_PORT": str(grpc_port),
        "LAGEM_REDIS_URL": redis_server,
        "LAGEM_DATA_DIR": str(tmp_path),
        "LAGEM_DRAIN_S": "60",
    }
    command = [sys.executable, "-m", "service.gateway"]
    with (
        subprocess.Popen(
            command, cwd=repo_root, env=environment, stderr=subprocess.PIPE
        ) as process,
        grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
    ):
        try:
            await_answer(f"http://127.0.0.1:{port}/livez")
            health: Any = HealthStub(channel)
            watching = iter(health.Watch(HealthCheckRequest(), wait_for_ready=True))
            told = [next(watching)]
            process.send_signal(signal.SIGTERM)
            told += watching
            assert told[-1].status == NOT_SERVING
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert b"Traceback" not in log


async def test_keys_are_asked_for_by_all_but_probes(
    own_settings: GatewaySettings, own_queue: JobQueue, worker: FakeWorker
) -> None:
    fields = {name: getattr(own_settings, name) for name in own_settings.model_fields_set}
    settings = GatewaySettings(**fields, api_keys=f"{ALICE},{BOB}", rate=2)
    alice, bob = (("x-api-key", ALICE),), (("authorization", f"Bearer {BOB}"),)
    async with (
        own_gateway(settings, asyncio.Event()) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        stub: Any = LagemServiceStub(channel)
        health: Any = HealthStub(channel)
        assert (await health.Check(HealthCheckRequest())).status == SERVING
        for metadata in ((), (("x-api-key", "wrong"),)):
            refusal = await refused(stub.ListJobs(pb.ListJobsRequest(), metadata=metadata))
            assert refusal.code == "unauthenticated"

        call = stub.Generate(pb.GenerateRequest(), metadata=alice)
        job = (await call).job
        assert '"submissions";r=1' in (await call.trailing_metadata())["ratelimit"]
        request = pb.GetJobRequest(id=job.id)
        assert (await stub.GetJob(request, metadata=alice)).job == job
        assert (await refused(stub.GetJob(request, metadata=bob))).code == "not_found"
        shape = pb.GetShapeRequest(shape=job.shapes[0].id)
        assert (await stub.GetShape(shape, metadata=alice)).shape == job.shapes[0]
        assert (await refused(stub.GetShape(shape, metadata=bob))).code == "not_found"

        await stub.Generate(pb.GenerateRequest(), metadata=alice)
        refusal = await refused(stub.Generate(pb.GenerateRequest(), metadata=alice))
        assert (refusal.code, refusal.retry_after) == ("rate_limited", True)
