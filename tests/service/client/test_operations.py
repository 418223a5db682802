"""What the operations take and give, before a real gateway, with both clients."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from model.geometry.mesh import load_mesh
from model.latentfile import LatentFile
from service.client import JobPending, Result, Results
from service.errors import (
    EmptySurface,
    InvalidParameter,
    NotFound,
    UnsupportedMeshFormat,
    WeightsMismatch,
)
from tests.service.client.conftest import Connect
from tests.service.gateway.fakeworker import LEVELS, FakeWorker, drawn_levels

CENTER = (5e6, -3.0, 4.0)


def ball() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=2.0)
    mesh.apply_translation(CENTER)
    return mesh


def sources(folder: Path) -> dict[str, Any]:
    mesh = ball()
    path = folder / "ball.ply"
    path.write_bytes(mesh.export(file_type="ply"))
    return {
        "path": path,
        "text": str(path),
        "bytes": mesh.export(file_type="obj").encode(),
        "mesh": mesh,
        "scene": trimesh.Scene(mesh),
        "cloud": trimesh.PointCloud(mesh.sample(1000)),
        "array": np.asarray(mesh.sample(1000)),
    }


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "mesh", "scene", "cloud", "array"])
async def test_whatever_has_a_surface_can_be_encoded(
    client: Any, worker: FakeWorker, tmp_path: Path, kind: str
) -> None:
    result = await client.encode(sources(tmp_path)[kind], resolution=32)
    assert isinstance(result, Result)
    assert isinstance(result.mesh, trimesh.Trimesh)
    assert {level: array.shape for level, array in result.latents.items()} == LEVELS
    assert result.metrics == {"chamfer": 0.01}
    assert result.timings["decode"] == 1.0
    assert result.shape_id.startswith("shp_")
    assert worker.seen[0].params["resolution"] == 32
    name = worker.seen[0].params["source"]["filename"]
    assert name == ("ball.ply" if kind in ("path", "text") else None)


async def test_a_mesh_in_memory_keeps_its_place_far_from_the_origin(
    client: Any, worker: FakeWorker
) -> None:
    result = await client.encode(ball())
    assert result.normalization.center == pytest.approx(CENTER, abs=1e-6)
    assert result.normalization.scale == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("wrong", [np.zeros((4, 2)), np.zeros((4, 3), dtype=bool), 7, None])
async def test_what_has_no_surface_is_refused_before_it_is_sent(client: Any, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="source must be"):
        await client.encode(wrong)


async def test_a_file_that_is_not_there_is_python_s_own_error(client: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await client.encode(tmp_path / "none.glb")


async def test_a_single_result_reads_as_itself_and_as_a_list(
    client: Any, worker: FakeWorker
) -> None:
    results = await client.generate(category="table", seed=7)
    assert isinstance(results, list)
    assert len(results) == 1
    assert (results.seed, results.category, results.parents) == (7, "table", ())
    assert results.shape_id == results[0].shape_id
    assert results.mesh is results[0].mesh
    assert list(results.latents) == [3, 2, 1]
    for level, expected in drawn_levels(7).items():
        np.testing.assert_array_equal(results.latents[level], expected)
        assert results.latents[level].dtype == np.float32
    assert results.metrics is None
    assert results.job.input["n"] == 1


async def test_several_results_are_a_list_in_the_order_of_their_seeds(
    client: Any, worker: FakeWorker
) -> None:
    results = await client.generate(category="chair", n=3, seed=7, steps=2, guidance=2.0)
    assert isinstance(results, Results)
    assert [result.seed for result in results] == [7, 8, 9]
    assert len({result.shape_id for result in results}) == 3
    params = worker.seen[0].params
    assert (params["steps"], params["guidance"], params["n"]) == (2, 2.0, 3)
    with pytest.raises(AttributeError, match=r"3 results: take one, as results\[0\]"):
        _ = results.mesh


async def test_every_option_of_a_mesh_reaches_the_job_and_the_download(
    client: Any, worker: FakeWorker
) -> None:
    options = {"resolution": 48, "format": "stl", "target_faces": 10, "exhaustive": True}
    [result] = await client.generate(**options)
    assert {name: worker.seen[0].params[name] for name in options} == options
    assert len(load_mesh(result.files.mesh_data, hint="stl").faces) == len(result.mesh.faces)
    assert len(worker.seen) == 1  # the mesh of the job itself: none was made again
    placed = await client.encode(ball(), space="normalized", format="ply")
    assert placed.files.shape.mesh.space == "normalized"
    assert np.abs(placed.mesh.vertices).max() <= 1.001
    assert len(worker.seen) == 2


async def test_variants_are_made_of_whatever_latents_are_at_hand(
    client: Any, worker: FakeWorker, tmp_path: Path
) -> None:
    parent = await client.generate(category="table", seed=7)
    file = parent.save(tmp_path) / "shape.safetensors"
    for source in (
        parent,
        parent[0],
        parent.shape_id,
        parent.files.shape,
        file,
        str(file),
        file.read_bytes(),
        parent.latents,
    ):
        variants = await client.resample(source, keep_level=2, n=2, seed=1)
        assert [variant.seed for variant in variants] == [1, 2]
        for variant in variants:
            np.testing.assert_array_equal(variant.latents[2], parent.latents[2])
            assert not np.array_equal(variant.latents[1], parent.latents[1])
    assert variants[0].parents == ()  # of bare arrays
    assert (await client.resample(parent)).parents == (parent.shape_id,)


async def test_latents_of_other_weights_are_refused_unless_allowed(
    client: Any, worker: FakeWorker
) -> None:
    foreign = LatentFile(drawn_levels(1), {"weights_sha256": "cd" * 32}).to_safetensors()
    with pytest.raises(WeightsMismatch):
        await client.decode(foreign)
    with pytest.raises(WeightsMismatch):
        await client.decode(drawn_levels(1), any_weights=False)
    assert (await client.decode(foreign, any_weights=True)).mesh.is_watertight


async def test_decoding_gives_the_mesh_of_a_shape_or_of_levels_mixed(
    client: Any, worker: FakeWorker
) -> None:
    one, two = await client.generate(n=2, seed=3)
    again = await client.decode(one, resolution=96)
    assert again.shape_id == one.shape_id
    assert again.files.shape.mesh.resolution == 96
    mixed = await client.decode(level3=one, level2=two.shape_id, level1=two)
    np.testing.assert_array_equal(mixed.latents[3], one.latents[3])
    np.testing.assert_array_equal(mixed.latents[1], two.latents[1])
    with pytest.raises(InvalidParameter) as caught:
        await client.decode()
    assert caught.value.param == "shape"
    with pytest.raises(TypeError, match="source must be a shape"):
        await client.decode(7)
    with pytest.raises(FileNotFoundError):
        await client.decode("none.safetensors")


async def test_a_job_can_be_had_at_once_and_waited_for_later(
    client: Any, worker: FakeWorker
) -> None:
    worker.open.clear()
    jobs = [
        await client.submit_generate(category="table", seed=7),
        await client.submit_encode(ball()),
    ]
    assert {job.state for job in jobs} <= {"queued", "running"}
    with pytest.raises(JobPending) as caught:
        await client.wait(jobs[0], timeout=0.05)
    assert caught.value.job == jobs[0].id
    assert isinstance(caught.value, TimeoutError)
    worker.open.set()
    results = await client.wait(jobs[0])
    assert results.seed == 7
    assert (await client.wait(jobs[1].id, timeout=20)).metrics == {"chamfer": 0.01}
    variants = await client.wait(await client.submit_resample(results, n=2))
    assert len(variants) == 2
    decoded = await client.wait(await client.submit_decode(results, resolution=40))
    assert decoded.shape_id == results.shape_id


async def test_waiting_goes_on_beyond_what_the_server_grants(
    client: Any, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.client.conversation._WAIT_S", 0)
    worker.open.clear()
    generating = asyncio.ensure_future(client.generate(seed=7))
    await asyncio.wait_for(worker.running.wait(), 20)
    assert not generating.done()
    worker.open.set()
    results = await generating
    assert results.seed == 7
    # A mesh that must be made first is waited for in the same way.
    assert len((await client.mesh(results, resolution=200)).faces) == 80


async def test_a_client_s_own_timeout_leaves_the_job_running(
    connect: Connect, worker: FakeWorker
) -> None:
    client = await connect(timeout=0.05)
    worker.open.clear()
    with pytest.raises(JobPending) as caught:
        await client.generate(category="table")
    assert "within 0.05 s" in str(caught.value)
    assert (await client.job(caught.value.job)).state in ("queued", "running")
    worker.open.set()
    assert (await client.wait(caught.value.job)).category == "table"


async def test_a_failed_job_raises_its_own_error(client: Any, worker: FakeWorker) -> None:
    worker.failure = EmptySurface("There is nothing.", suggestion="Try another seed.")
    with pytest.raises(EmptySurface) as caught:
        await client.generate(seed=7)
    error = caught.value
    assert (error.detail, error.suggestion) == ("There is nothing.", "Try another seed.")
    assert error.job.startswith("job_")
    assert error.request_id
    assert error.__notes__[0] == "Try another seed."
    for timeout in (None, 5):
        with pytest.raises(EmptySurface) as caught:
            await client.wait(error.job, timeout=timeout)
        assert caught.value.job == error.job


async def test_refusals_are_typed_and_say_what_is_at_fault(client: Any, worker: FakeWorker) -> None:
    with pytest.raises(InvalidParameter) as caught:
        await client.generate(category="boat")
    assert caught.value.param == "category"
    assert "table" in caught.value.suggestion
    assert caught.value.request_id
    assert not caught.value.spec.retryable
    with pytest.raises(InvalidParameter) as caught:
        await client.generate(n=17)
    assert caught.value.param == "n"
    with pytest.raises(UnsupportedMeshFormat):
        await client.encode(b"\x00\x01 nothing")
    for missing in (client.job("job_none"), client.shape("shp_none"), client.wait("job_none")):
        with pytest.raises(NotFound):
            await missing
    with pytest.raises(NotFound):
        await client.job("../jobs")


async def test_what_the_server_knows_can_be_looked_up(
    client: Any, worker: FakeWorker, tmp_path: Path
) -> None:
    assert await client.categories() == ["table", "chair"]
    [model] = await client.models()
    assert model.levels[0].tokens == LEVELS[3][0]
    parent = await client.generate(category="table", seed=7)
    child = await client.resample(parent, seed=8)
    assert (await client.shape(parent)).model.name == "sphere"
    tree = await client.tree(child)
    assert (tree.parents, {node.id for node in tree.nodes}) == (
        (parent.shape_id,),
        {parent.shape_id, child.shape_id},
    )
    assert len((await client.mesh(child, format="obj")).faces) == 80
    assert (await client.mesh_file(child.shape_id, format="stl", resolution=40))[80:84] == (
        (80).to_bytes(4, "little")
    )
    latents = await client.latents(child.shape_id)
    np.testing.assert_array_equal(latents[3], parent.latents[3])
    fetched = await client.fetch(child.shape_id)
    assert (fetched.seed, fetched.parents) == (8, (parent.shape_id,))
    assert fetched.job is None
    assert fetched.timings == {}
    assert f"<Result {child.shape_id}, seed=8" in repr(fetched)


async def test_jobs_are_listed_over_pages(
    client: Any, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.client.core._PAGE", 2)
    made = [(await client.generate(seed=seed)).job.id for seed in range(5)]
    assert [job.id for job in await client.jobs()] == made[::-1]
    assert [job.id for job in await client.jobs(limit=3, newest_first=False)] == made[:3]
    assert [job.id for job in await client.jobs(after=made[1])] == made[:1]
    assert await client.jobs(state="failed") == []


async def test_results_are_saved_as_the_command_line_has_them(
    client: Any, worker: FakeWorker, tmp_path: Path
) -> None:
    results = await client.generate(category="table", n=2, seed=7, format="ply")
    results.save(tmp_path)
    for result, name in zip(results, ("table-7", "table-8"), strict=True):
        latents = LatentFile.from_bytes((tmp_path / name / "shape.safetensors").read_bytes())
        assert latents.metadata["shape"] == result.shape_id
        mesh = load_mesh((tmp_path / name / "mesh.ply").read_bytes())
        assert len(mesh.faces) == len(result.mesh.faces)
    folder = await client.save(results[0].shape_id, tmp_path / "one")
    assert {path.name for path in folder.iterdir()} == {"shape.safetensors", "mesh.ply"}
    assert await client.save(results[1], tmp_path / "two") == tmp_path / "two"
