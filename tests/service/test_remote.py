"""`lagem remote` before a real gateway with a fake worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import trimesh
from click.testing import CliRunner, Result
from redis.asyncio import Redis
from structlog.testing import capture_logs

from model.geometry.mesh import load_mesh
from model.latentfile import LatentFile
from service.cli import main
from service.client import JobPending, LagemClient
from service.client.retries import Retrying
from service.errors import EmptySurface
from service.jobqueue.queue import JobQueue
from service.jobs import ANONYMOUS, JobState
from tests.service.gateway.conftest import (  # noqa: F401 (fixtures)
    blobs,
    gateway_url,
    own_queue,
    settings,
    worker,
)
from tests.service.gateway.fakeworker import FakeWorker

Command = Callable[..., Awaitable[Result]]


@pytest_asyncio.fixture
async def lagem(redis: Redis, gateway_url: str, worker: FakeWorker) -> AsyncIterator[Command]:  # noqa: F811
    async def run(*arguments: str | Path) -> Result:
        line = ["remote", *map(str, arguments), "--server", gateway_url]
        return await asyncio.to_thread(CliRunner().invoke, main, line)

    with capture_logs():  # the gateway's, which would go to the command's output
        yield run


async def test_a_mesh_becomes_the_same_folder_as_without_a_server(
    lagem: Command, tmp_path: Path
) -> None:
    source = tmp_path / "ball.stl"
    source.write_bytes(trimesh.creation.icosphere(subdivisions=2).export(file_type="stl"))
    done = await lagem("encode", source, "-o", tmp_path / "out", "--resolution", "40")
    assert done.exit_code == 0, done.output
    mesh = load_mesh((tmp_path / "out" / "mesh.glb").read_bytes())
    latents = LatentFile.from_bytes((tmp_path / "out" / "shape.safetensors").read_bytes())
    assert (len(mesh.faces), sorted(latents.levels)) == (80, [1, 2, 3])
    assert done.stdout == f"{tmp_path}/out/mesh.glb: 80 faces, closed, chamfer 0.01\n"
    assert done.stderr == ""


async def test_generated_shapes_become_variants_and_meshes(lagem: Command, tmp_path: Path) -> None:
    done = await lagem("generate", "--category", "table", "-n", "2", "--seed", "7", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    file = tmp_path / "table-8" / "shape.safetensors"
    assert file.exists()
    done = await lagem(
        "resample", file, "--keep-level", "2", "--seed", "1", "-o", tmp_path, "--json"
    )
    report = json.loads(done.stdout)
    [shape] = report["shapes"]
    assert (report["operation"], report["model"]["name"], shape["seed"]) == (
        "resample",
        "sphere",
        1,
    )
    assert Path(shape["latents"]) == tmp_path / "variant-1" / "shape.safetensors"
    for source in (shape["latents"], shape["id"]):
        done = await lagem("decode", source, "-o", tmp_path / "one.ply", "--resolution", "50")
        assert done.exit_code == 0, done.output
        assert len(load_mesh((tmp_path / "one.ply").read_bytes()).faces) == 80
    watched = await lagem("watch", report["job"])
    assert watched.stdout == "succeeded\n"
    [event] = (await lagem("watch", report["job"], "--json")).stdout.splitlines()
    assert json.loads(event)["job"]["id"] == report["job"]


async def test_failures_are_one_line_and_say_by_their_code_whose_they_are(
    lagem: Command,
    worker: FakeWorker,  # noqa: F811
    tmp_path: Path,
) -> None:
    done = await lagem("generate", "--category", "boat", "-o", tmp_path)
    assert done.exit_code == 2
    assert done.stderr == "Error: The category 'boat' is unknown. Use one of: table, chair.\n"
    worker.failure = EmptySurface("There is nothing.")
    done = await lagem("generate", "-o", tmp_path)
    assert (done.exit_code, done.stderr) == (2, "Error: There is nothing.\n")
    done = await lagem("decode", tmp_path / "none.safetensors", "-o", tmp_path / "a.glb")
    assert done.exit_code == 2
    assert "No such file" in done.stderr
    done = await lagem("decode", tmp_path / "none.safetensors", "-o", tmp_path / "a.txt")
    assert (done.exit_code, "does not say a mesh format" in done.stderr) == (2, True)
    done = await lagem("watch", "job_none")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_a_server_that_cannot_be_reached_is_not_the_requests_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retrying, "_delay", lambda _: 0.0)
    line = ["remote", "generate", "--server", "http://localhost:1", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, line)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: http://localhost:1/ cannot be reached: ")


def test_time_that_is_up_is_not_the_requests_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pending(*_: object, **__: object) -> None:
        raise JobPending("job_x", 1.0)

    monkeypatch.setattr(LagemClient, "submit_generate", pending)
    done = CliRunner().invoke(main, ["remote", "generate", "-o", str(tmp_path / "out")])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)


async def test_an_interrupt_cancels_the_job(
    lagem: Command,
    worker: FakeWorker,  # noqa: F811
    own_queue: JobQueue,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LagemClient, "watch", interrupted)
    worker.open.clear()
    done = await lagem("generate", "-o", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (1, "Error: The job was canceled.\n")
    assert not (tmp_path / "out").exists()
    [job] = await own_queue.list_jobs(
        tenant=ANONYMOUS, after=None, limit=5, order="desc", state=None
    )
    assert job.cancel_requested or job.state is JobState.CANCELED


@pytest.mark.parametrize("server", ["localhost:8000", "ftp://server"])
def test_an_address_that_cannot_be_is_a_usage_error(server: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["remote", "generate", "--server", server, "-o", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: base_url must begin with http://")
