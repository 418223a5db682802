"""The pool of mesh readers: answers, refusals, and readers that hang, die or eat memory."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import trimesh

from service.errors import (
    EmptyMesh,
    MalformedMesh,
    MeshTooLarge,
    NonFiniteMesh,
    PreprocessingTimeout,
    UnsupportedMeshFormat,
)
from service.gateway.ingest import MeshIngest
from service.gateway.limits import IngestLimits

LIMITS = IngestLimits(max_bytes=2**26, max_faces=100_000, memory_bytes=512 * 2**20, timeout_s=20.0)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ingest() -> AsyncIterator[MeshIngest]:
    """One pool for all tests: readers are replaced where a test ends one."""
    async with MeshIngest(LIMITS, processes=1) as ingest:
        yield ingest


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """A sphere of radius 2 about (1, 2, 3)."""
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=2.0)
    mesh.apply_translation((1, 2, 3))
    path = tmp_path / "ball"
    path.write_bytes(mesh.export(file_type="stl"))
    return path


def process_id(ingest: MeshIngest) -> int:
    process = ingest._sandboxes[0]._process
    assert process is not None
    return process.pid


def environment_of(pid: int) -> bytes:
    path = Path(f"/proc/{pid}/environ")
    if not path.exists():
        pytest.skip("no /proc here")
    return path.read_bytes()


async def test_a_sphere_becomes_the_unit_sphere(ingest: MeshIngest, ball: Path) -> None:
    mesh = await ingest.read(ball)
    points = np.load(io.BytesIO(mesh.points), allow_pickle=False)
    assert (points.shape, points.dtype) == ((8192, 3), np.float32)
    radii = np.linalg.norm(points, axis=1)
    assert radii.max() <= 1.0001
    assert radii.min() > 0.98
    np.testing.assert_allclose(mesh.normalization.center, (1, 2, 3), atol=1e-5)
    assert mesh.normalization.scale == pytest.approx(0.5, rel=1e-5)
    assert mesh.faces == 1280
    np.testing.assert_allclose(mesh.bounds, ((-1, 0, 1), (3, 4, 5)), atol=1e-5)
    assert mesh.milliseconds > 0
    # Farthest points first: the first few are far apart from one another.
    first = points[:6]
    gaps = np.linalg.norm(first[:, None] - first[None], axis=2)
    assert gaps[np.triu_indices(6, 1)].min() > 1.0


async def test_same_bytes_same_points(ingest: MeshIngest, ball: Path) -> None:
    assert (await ingest.read(ball)).points == (await ingest.read(ball)).points


async def test_a_point_cloud(ingest: MeshIngest, tmp_path: Path) -> None:
    path = tmp_path / "cloud"
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        np.save(file, generator.standard_normal((1000, 3)).astype(np.float32))
    mesh = await ingest.read(path, hint="cloud.npy")
    assert (mesh.faces, mesh.vertices) == (0, 1000)


async def test_the_reader_survives_refusals(ingest: MeshIngest, ball: Path, tmp_path: Path) -> None:
    await ingest.read(ball)
    before = process_id(ingest)
    text = tmp_path / "text"
    text.write_bytes(b"hello\n")
    with pytest.raises(UnsupportedMeshFormat):
        await ingest.read(text)
    flat = tmp_path / "flat.obj"
    flat.write_bytes(b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(EmptyMesh):
        await ingest.read(flat)
    await ingest.read(ball)
    assert process_id(ingest) == before


async def test_what_is_said_of_a_mesh_is_short(
    ingest: MeshIngest, ball: Path, tmp_path: Path
) -> None:
    await ingest.read(ball)
    before = process_id(ingest)
    path = tmp_path / "long.ply"
    path.write_bytes(
        b"ply\nformat ascii 1.0\nelement "
        + 60_000 * b"\xff"
        + b" 5\nproperty float x\nend_header\n"
    )
    with pytest.raises(MalformedMesh) as caught:
        await ingest.read(path)
    assert len(caught.value.detail) < 1100
    assert (await ingest.read(ball)).faces == 1280
    assert process_id(ingest) == before


async def test_an_answer_that_is_none_costs_the_reader_its_place(
    ingest: MeshIngest, ball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest.read(ball)
    before = process_id(ingest)

    async def reply(self: object) -> None:
        raise ValueError("Separator is found, but chunk is longer than limit")

    with monkeypatch.context() as patch:
        patch.setattr(type(ingest._sandboxes[0]), "_reply", reply)
        with pytest.raises(MalformedMesh):
            await ingest.read(ball)
    assert (await ingest.read(ball)).faces == 1280
    assert process_id(ingest) != before


@pytest.mark.parametrize(
    ("edge", "error"), [("1e-33", EmptyMesh), ("1.9e30", NonFiniteMesh), ("1e30", None)]
)
async def test_sizes_that_no_frame_can_tell_are_refused(
    ingest: MeshIngest, tmp_path: Path, edge: str, error: type[Exception] | None
) -> None:
    path = tmp_path / "triangle.obj"
    half = float(edge) / 2
    path.write_text(
        f"v {-half} {-half} {-half}\nv {half} {half} {half}\nv {half} {-half} {half}\nf 1 2 3\n"
    )
    if error is None:
        assert (await ingest.read(path)).faces == 1
    else:
        with pytest.raises(error, match="radius"):
            await ingest.read(path)


async def test_a_speck_far_from_the_origin_is_refused(ingest: MeshIngest, tmp_path: Path) -> None:
    path = tmp_path / "speck.obj"
    for size, accepted in ((1e-9, True), (1e-18, False)):
        path.write_text(f"v 0.37 0 0\nv 0.37 {size} 0\nv 0.37 0 {size}\nf 1 2 3\n")
        if accepted:
            points = np.load(io.BytesIO((await ingest.read(path)).points))
            assert np.linalg.norm(points, axis=1).max() < 1.001
        else:
            with pytest.raises(EmptyMesh, match="rounding"):
                await ingest.read(path)


async def test_a_killed_reader_is_replaced(ingest: MeshIngest, ball: Path) -> None:
    await ingest.read(ball)
    os.kill(process_id(ingest), signal.SIGSTOP)
    call = asyncio.create_task(ingest.read(ball))
    await asyncio.sleep(0.05)
    os.kill(process_id(ingest), signal.SIGKILL)
    with pytest.raises(MalformedMesh, match="status -9"):
        await call
    assert (await ingest.read(ball)).faces == 1280


async def test_a_reader_that_hangs_is_stopped(ball: Path) -> None:
    async with MeshIngest(replace(LIMITS, timeout_s=0.3), processes=1) as ingest:
        await ingest._sandboxes[0].ready()
        os.kill(process_id(ingest), signal.SIGSTOP)
        with pytest.raises(PreprocessingTimeout, match=r"more than 0\.3 s"):
            await ingest.read(ball)


async def test_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "grid.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2_000_000, 3)))
    async with MeshIngest(replace(LIMITS, memory_bytes=64 * 2**20), processes=1) as ingest:
        with pytest.raises(MeshTooLarge, match="memory"):
            await ingest.read(path)


async def test_a_caller_who_leaves_does_not_leave_an_answer_behind(
    ingest: MeshIngest, ball: Path, tmp_path: Path
) -> None:
    await ingest._sandboxes[0].ready()
    os.kill(reader := process_id(ingest), signal.SIGSTOP)
    call = asyncio.create_task(ingest.read(ball))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with contextlib.suppress(ProcessLookupError):
        os.kill(reader, signal.SIGCONT)
    box = tmp_path / "box"
    box.write_bytes(trimesh.creation.box().export(file_type="stl"))
    assert (await ingest.read(box)).faces == 12


async def test_the_reader_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_REDIS_URL", "redis://:hunter2@host")
    async with MeshIngest(LIMITS, processes=1) as ingest:
        assert b"hunter2" not in environment_of(process_id(ingest))


async def test_readers_end_with_the_pool() -> None:
    async with MeshIngest(LIMITS, processes=1) as ingest:
        reader = process_id(ingest)
    with pytest.raises(ProcessLookupError):
        os.kill(reader, 0)
