"""The process that finishes shapes: the same files as here, errors passed on, its end told."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.geometry.mesh import load_mesh
from model.geometry.normalization import Normalization
from model.geometry.tracking import track
from service.errors import EmptySurface, InternalError, OutOfMemory
from service.jobs import Operation, Stage, new_id
from service.settings import WorkerSettings
from service.store.local import LocalBlobStore
from service.worker import finisher, finishing
from service.worker.draft import Draft, Preview, SurfaceLogits
from service.worker.finisher import Finisher
from service.worker.finishing import FinishingDiedError, FinishingProcess
from service.worker.results import MeshOptions, Provenance

CELLS = 32


def ball(radius: float = 0.5, resolution: int = CELLS) -> Draft:
    """A draft of a ball, encoded from points of it."""
    spacing = 2.0 / resolution
    directions = np.random.default_rng(0).normal(size=(2048, 3)).astype(np.float32)
    return Draft(
        logits=SurfaceLogits(
            blocks=track(
                lambda indices: radius - np.linalg.norm(indices * spacing - 1, axis=1),
                resolution,
                coarse=resolution,
            ),
            lower=-1.0,
            spacing=spacing,
        ),
        levels={level: np.ones((4, 2), np.float32) for level in (3, 2, 1)},
        provenance=Provenance(
            shape_id=new_id("shp"),
            operation=Operation.ENCODE,
            model={"name": "fake", "version": "0", "weights_sha256": "f" * 64},
            seed=None,
            category=None,
            parents=(),
            normalization=Normalization((10.0, 0.0, 0.0), 0.5),
        ),
        options=MeshOptions.of({"resolution": resolution, "format": "stl", "target_faces": 300}),
        points=radius * directions / np.linalg.norm(directions, axis=1, keepdims=True),
        parent=None,
        new=True,
        reused=False,
    )


@pytest.fixture
def process(tmp_path: Path) -> Iterator[FinishingProcess]:
    process = FinishingProcess(WorkerSettings(data_dir=tmp_path))
    yield process
    process.close()


def files(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.rglob("*.*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def timeless(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape but for when it expires."""
    mesh = {name: value for name, value in shape["mesh"].items() if name != "expires_at"}
    return {name: value for name, value in shape.items() if name != "expires_at"} | {"mesh": mesh}


def test_another_process_makes_the_files_that_this_one_makes(
    process: FinishingProcess, tmp_path: Path
) -> None:
    draft, stages = ball(), list[Stage]()
    there = process.finish(draft, stages.append)
    with contextlib.closing(
        Finisher(LocalBlobStore(tmp_path / "here"), retention_s=60, mesh_retention_s=60)
    ) as finisher:
        here = finisher.finish(draft, lambda _: None)
    assert stages == [Stage.MESH, Stage.EXPORT] == list(there.timings_ms)
    assert timeless(there.shape) == timeless(here.shape)
    assert there.record is not None
    assert here.record is not None
    assert timeless(there.record.meta) == timeless(here.record.meta)
    assert datetime.fromisoformat(here.shape["expires_at"]).timestamp() * 1000 == (
        here.record.expires_ms
    )
    assert here.record.expires_ms == here.record.created_ms + 60_000
    assert here.shape["mesh"]["expires_at"] == here.shape["expires_at"] < there.shape["expires_at"]
    stored, expected = files(WorkerSettings(data_dir=tmp_path).blob_dir), files(tmp_path / "here")
    assert len(stored) == 2
    assert list(stored) == list(expected)
    meshes = [data for name, data in stored.items() if name.startswith("meshes")]
    assert meshes == [data for name, data in expected.items() if name.startswith("meshes")]


def test_a_preview_is_a_file_in_the_frame_that_is_wanted(
    process: FinishingProcess, tmp_path: Path
) -> None:
    draft = ball()
    preview = Preview(
        job_id="job_a",
        shape_id="shp_a",
        attempt=2,
        sample=1,
        resolution=CELLS,
        logits=draft.logits,
        normalization=draft.provenance.normalization,
    )
    artifact = process.preview(preview)
    assert artifact is not None
    assert artifact.ref == "meshes/job_a/2-1-32.glb"
    assert (artifact.shape, artifact.final) == ("shp_a", False)
    data = files(WorkerSettings(data_dir=tmp_path).blob_dir)[artifact.ref]
    mesh = load_mesh(data)
    assert (artifact.bytes, artifact.faces) == (len(data), len(mesh.faces))
    np.testing.assert_allclose(mesh.bounds, [[9, -1, -1], [11, 1, 1]], atol=0.02)
    assert process.preview(replace(preview, logits=ball(0.0).logits)) is None


def test_a_variant_is_compared_with_its_parent(process: FinishingProcess) -> None:
    variant = replace(ball(0.5), points=None, parent=ball(0.4).logits)
    metrics = process.finish(variant, lambda _: None).shape["metrics"]
    assert list(metrics) == ["parent_distance"]
    assert metrics["parent_distance"] == pytest.approx(0.1, abs=0.01)
    same = replace(
        variant, parent=variant.logits, options=replace(variant.options, target_faces=None)
    )
    assert process.finish(same, lambda _: None).shape["metrics"]["parent_distance"] == 0


def test_an_error_leaves_the_process_able(process: FinishingProcess) -> None:
    with pytest.raises(EmptySurface, match="outside everywhere"):
        process.finish(ball(0.0), lambda _: None)
    options = replace(ball().options, format="nonsense")
    with pytest.raises(InternalError):
        process.finish(replace(ball(), options=options), lambda _: None)
    assert process.finish(ball(), lambda _: None).shape["mesh"]["faces"] == pytest.approx(
        300, abs=20
    )


def test_its_death_at_work_is_told_with_the_cause(process: FinishingProcess) -> None:
    def kill(stage: Stage) -> None:
        os.kill(process._process.pid, signal.SIGKILL)

    with pytest.raises(FinishingDiedError, match="signal 9"):
        process.finish(ball(resolution=128), kill)
    assert process.finish(ball(), lambda _: None).shape["mesh"]["watertight"]


def test_one_that_died_idle_is_replaced_without_a_word(process: FinishingProcess) -> None:
    process.finish(ball(), lambda _: None)
    os.kill(process._process.pid, signal.SIGKILL)
    process._process.wait(10)
    assert process.finish(ball(), lambda _: None).shape["mesh"]["watertight"]


def test_too_little_memory_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(draft: Draft) -> None:
        raise MemoryError

    monkeypatch.setattr(finisher, "_mesh", exhaust)
    store = LocalBlobStore(tmp_path)
    with contextlib.closing(Finisher(store, retention_s=60, mesh_retention_s=60)) as finish:
        error = finishing._done(finish, ball(), lambda _: None)
    assert isinstance(error, OutOfMemory)


@pytest.mark.skipif(sys.platform != "linux", reason="others notice when they read the pipe")
@pytest.mark.parametrize("hung", [False, True])
def test_it_ends_with_the_process_that_made_it(tmp_path: Path, hung: bool) -> None:
    stop = "os.kill(process._process.pid, signal.SIGSTOP)\n" if hung else ""
    program = (
        "import os, signal\n"
        "from service.settings import WorkerSettings\n"
        "from service.worker.finishing import FinishingProcess\n"
        "from tests.service.worker.test_finishing import ball\n"
        f"process = FinishingProcess(WorkerSettings(data_dir={str(tmp_path)!r}))\n"
        "process.finish(ball(), lambda _: None)\n"
        "print(process._process.pid, flush=True)\n"
        f"{stop}"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # An orphan would keep the output open, which is read to its end: the timeout would say so.
    killed = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    assert int(killed.stdout) > 0


def test_it_never_loads_torch() -> None:
    program = "import sys, service.worker.finishing; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
