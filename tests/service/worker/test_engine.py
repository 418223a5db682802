"""The engine with a tiny model of random weights, and with models that misbehave."""

import contextlib
import dataclasses
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from model.autoencoder import AutoEncoder
from model.checkpoint import Checkpoint
from model.config import (
    AutoEncoderConfig,
    CascadeConfig,
    DenoiserConfig,
    LevelConfig,
    ModelConfig,
)
from model.diffusion.cascade import Cascade
from model.field import OccupancyField
from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from model.geometry.tracking import track
from model.grid import QUERY_CHUNK, OnCoarser, TrackedLogits
from model.latentfile import LatentFile
from model.latents import Latents
from model.pipeline import Observer, ShapePipeline
from service.contract import Shape
from service.jobqueue.lease import Canceled, Failed, Outcome, Succeeded
from service.jobs import Artifact, Job, Operation, Stage
from service.store.local import LocalBlobStore
from service.store.refs import latents_ref, mesh_ref
from service.worker.draft import Draft, Finished
from service.worker.engine import Engine
from service.worker.finisher import Finisher, OnStage
from service.worker.finishing import FinishingDiedError
from tests.service.worker.jobs import job

RESOLUTION = 32
TINY = ModelConfig(
    name="tiny",
    version="0",
    licence="MIT",
    autoencoder=AutoEncoderConfig(
        channels=32,
        levels=(LevelConfig(4, 8, 1), LevelConfig(8, 8, 1), LevelConfig(16, 4, 1)),
        head_channels=16,
        input_points=512,
    ),
    cascade=CascadeConfig(
        denoisers=(DenoiserConfig(32, 1, 16),) * 3, categories=("table", "chair")
    ),
)


class Recorder:
    """A reporter that keeps everything, and cancels jobs when they reach a stage."""

    def __init__(self, cancel_at: dict[str, Stage] | None = None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.stages: dict[str, list[Stage]] = {}
        self.artifacts: dict[str, list[Artifact]] = {}
        self._cancel_at = cancel_at or {}

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        assert 0 <= progress <= 1
        stages = self.stages.setdefault(job_id, [])
        if not stages or stages[-1] is not stage:
            stages.append(stage)

    def showed(self, job_id: str, artifact: Artifact) -> None:
        assert job_id not in self.outcomes
        self.artifacts.setdefault(job_id, []).append(artifact)

    def finished(self, job_id: str, outcome: Outcome) -> None:
        assert job_id not in self.outcomes
        self.outcomes[job_id] = outcome

    def canceled(self, job_id: str) -> bool:
        return self._cancel_at.get(job_id) in self.stages.get(job_id, [])


class Impatient(Recorder):
    """Cancels every job once it has been told of progress more than ``patience`` times."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self.patience, self.told = patience, 0

    def progress(self, job_id: str, stage: Stage, progress: float) -> None:
        super().progress(job_id, stage, progress)
        self.told += 1

    def canceled(self, job_id: str) -> bool:
        return self.told > self.patience


class SpherePipeline(ShapePipeline):
    """Random latents as usual, but every field is a sphere, whose radius the test sets."""

    radius = 0.5

    def track(
        self,
        latents: Latents,
        *,
        resolution: int,
        seeds: Sequence[np.ndarray | None] | None = None,
        exhaustive: bool = False,
        observe: Observer = lambda *_: None,
        on_coarser: OnCoarser = lambda _: None,
    ) -> Iterator[TrackedLogits]:
        spacing = 2.0 / resolution
        for _ in range(len(latents)):
            observe("decode", 0.5)
            blocks = track(
                lambda indices: self.radius - np.linalg.norm(indices * spacing - 1, axis=1),
                resolution,
                coarse=resolution,
            )
            yield TrackedLogits(blocks, -1.0, spacing, 0)


class BeadField(OccupancyField):
    """A ball, and a bead midway between samples of the coarse grid, which do not show it."""

    balls = (((0.0, 0.0, 0.0), 0.5), ((0.5578125,) * 3, 0.01))  # the bead around sample 49 of 64

    def __init__(self) -> None:
        super().__init__(torch.zeros(52, 52), 1e-5, (), (), torch.zeros(1))

    def row(self, index: int) -> OccupancyField:
        return self

    def __call__(self, queries: torch.Tensor) -> torch.Tensor:
        inside = [
            radius - (queries - torch.tensor(center)).norm(dim=-1) for center, radius in self.balls
        ]
        return torch.stack(inside).amax(0)


class PickyPipeline(SpherePipeline):
    """Encodes at most ``capacity`` clouds at once, and never one whose first point is at 9."""

    capacity = 1

    def encode(self, points: np.ndarray) -> Latents:
        if len(points) > self.capacity:
            raise torch.OutOfMemoryError("too many")
        if (points[:, 0] == 9).any():
            raise ValueError("a bad row")
        return super().encode(points)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    assert TINY.cascade is not None
    autoencoder = AutoEncoder(TINY.autoencoder).eval().requires_grad_(False)
    cascade = Cascade(TINY.cascade, TINY.autoencoder).eval().requires_grad_(False)
    return Checkpoint(TINY, autoencoder, cascade, "f" * 64)


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path)


Make = Callable[..., Engine]


@pytest.fixture
def make(checkpoint: Checkpoint, store: LocalBlobStore) -> Iterator[Make]:
    engines: list[Engine] = []

    def make(kind: type[ShapePipeline] = SpherePipeline) -> Engine:
        engines.append(Engine(kind(checkpoint, "cpu"), store, finisher))
        return engines[-1]

    with contextlib.closing(Finisher(store, retention_s=60, mesh_retention_s=60)) as finisher:
        yield make
        for engine in engines:
            engine.close()


def blob(engine: Engine, ref: str) -> bytes:
    return engine._io.run(engine._store.get(ref))


def put(engine: Engine, ref: str, data: bytes) -> str:
    engine._io.run(engine._store.put(ref, data))
    return ref


def put_points(engine: Engine, name: str, points: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.save(buffer, points.astype(np.float32))
    return put(engine, f"inputs/{name}.npy", buffer.getvalue())


def sphere_points() -> np.ndarray:
    return to_point_cloud(trimesh.creation.icosphere(3), count=512, ordered=64).points


def run(engine: Engine, jobs: Sequence[Job], recorder: Recorder | None = None) -> Recorder:
    recorder = recorder or Recorder()
    engine.run(jobs, recorder).result()
    assert set(recorder.outcomes) == {each.id for each in jobs}
    return recorder


def shapes(outcome: Outcome) -> list[dict[str, Any]]:
    assert isinstance(outcome, Succeeded), outcome
    for shape in outcome.result["shapes"]:
        Shape.model_validate(shape)
    found: list[dict[str, Any]] = outcome.result["shapes"]
    return found


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, Failed), outcome
    return str(outcome.error["code"])


def generate(**params: Any) -> Job:
    return job(Operation.GENERATE, **{"resolution": RESOLUTION, "steps": 2} | params)


def test_generate_makes_n_shapes_each_with_its_own_seed(make: Make) -> None:
    engine = make()
    request = generate(n=3, seed=2**64 - 2, category="table")
    recorder = run(engine, [request])
    outcome = recorder.outcomes[request.id]
    made = shapes(outcome)
    assert [shape["seed"] for shape in made] == [2**64 - 2, 2**64 - 1, 0]
    assert {shape["category"] for shape in made} == {"table"}
    assert isinstance(outcome, Succeeded)
    assert outcome.result["model"] == {
        "name": "tiny", "version": "0", "weights_sha256": "f" * 64
    }  # fmt: skip
    assert [record.id for record in outcome.shapes] == [shape["id"] for shape in made]
    assert len({shape["id"] for shape in made}) == 3


def test_the_shape_describes_the_files_it_wrote(make: Make) -> None:
    engine = make()
    request = generate(format="ply", target_faces=200)
    (shape,) = shapes(run(engine, [request]).outcomes[request.id])
    ref = mesh_ref(
        shape["id"],
        resolution=RESOLUTION,
        target_faces=200,
        exhaustive=False,
        space="input",
        format="ply",
    )
    data = blob(engine, ref)
    mesh = load_mesh(data)
    told = shape["mesh"]
    assert told["bytes"] == len(data)
    assert told["faces"] == len(mesh.faces) == pytest.approx(200, abs=20)
    assert told["vertices"] == len(mesh.vertices)
    assert told["watertight"] is True
    assert told["components"] == 1
    assert told["url"] == (
        f"/shapes/{shape['id']}/mesh?format=ply&resolution={RESOLUTION}&target_faces=200"
    )
    latents = LatentFile.from_safetensors(blob(engine, latents_ref(shape["id"])))
    assert latents.metadata["seed"] == "7"
    assert latents.metadata["weights_sha256"] == "f" * 64
    assert {level: list(vectors.shape) for level, vectors in latents.levels.items()} == {
        int(level): entry["shape"] for level, entry in shape["latents"].items()
    }


def test_a_seed_gives_the_same_latents_whoever_shares_the_batch(make: Make) -> None:
    engine = make()
    alone, shared, other = generate(seed=5), generate(seed=5), generate(seed=6, category="chair")
    recorder = run(engine, [alone])
    recorder = run(engine, [other, shared], recorder=Recorder())
    again = run(engine, [alone])
    files = [
        LatentFile.from_safetensors(blob(engine, latents_ref(shapes(outcome)[0]["id"])))
        for outcome in (again.outcomes[alone.id], recorder.outcomes[shared.id])
    ]
    for level in (3, 2, 1):
        np.testing.assert_allclose(files[0].levels[level], files[1].levels[level], atol=1e-4)


def test_encode_returns_the_shape_over_the_upload_with_metrics(make: Make) -> None:
    engine = make()
    frame = {"center": [10.0, 0.0, 0.0], "scale": 0.25}
    request = job(
        Operation.ENCODE,
        input_ref=put_points(engine, "a", sphere_points() * 0.5),
        resolution=RESOLUTION,
        space="input",
        normalization=frame,
    )
    recorder = run(engine, [request])
    (shape,) = shapes(recorder.outcomes[request.id])
    np.testing.assert_allclose(shape["mesh"]["bounds"], [[8, -2, -2], [12, 2, 2]], atol=1e-5)
    assert shape["normalization"] == {"center": (10.0, 0.0, 0.0), "scale": 0.25}
    assert shape["metrics"]["chamfer"] < 0.03
    assert 0.2 < shape["metrics"]["f_score"] <= 1
    stages = [Stage.ENCODE, Stage.DECODE, Stage.MESH, Stage.EXPORT]
    assert recorder.stages[request.id] == stages
    assert list(recorder.outcomes[request.id].timings_ms) == stages


def test_the_normalized_space_leaves_the_mesh_in_the_unit_sphere(make: Make) -> None:
    engine = make()
    request = job(
        Operation.ENCODE,
        input_ref=put_points(engine, "a", sphere_points()),
        resolution=RESOLUTION,
        space="normalized",
        normalization={"center": [10.0, 0.0, 0.0], "scale": 0.25},
    )
    (shape,) = shapes(run(engine, [request]).outcomes[request.id])
    np.testing.assert_allclose(shape["mesh"]["bounds"], [[-0.5] * 3, [0.5] * 3], atol=1e-5)
    assert shape["mesh"]["url"].endswith("&space=normalized")


def test_the_same_request_makes_the_same_shape_and_nothing_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make()
    first, again = generate(seed=5, n=2), generate(seed=6, n=2, format="obj")
    made = shapes(run(engine, [first]).outcomes[first.id])
    drawn: list[int] = []
    plain = engine._pipeline.sample

    def sample(seeds: Sequence[int], *args: Any, **kwargs: Any) -> Latents:
        drawn.extend(seeds)
        return plain(seeds, *args, **kwargs)

    monkeypatch.setattr(engine._pipeline, "sample", sample)
    outcome = run(engine, [again]).outcomes[again.id]
    shared, new = shapes(outcome)
    assert drawn == [7]
    assert (shared["id"], shared["reused"]) == (made[1]["id"], True)
    assert shared["latents"] == made[1]["latents"]
    assert not new["reused"]
    assert isinstance(outcome, Succeeded)
    assert [record.id for record in outcome.shapes] == [shared["id"], new["id"]]


@pytest.mark.parametrize(
    "other", [{"seed": 6}, {"category": "chair"}, {"steps": 3}, {"guidance": 2.0}]
)
def test_another_request_makes_another_shape(make: Make, other: dict[str, Any]) -> None:
    engine = make()
    ids = []
    for params in ({}, other):
        request = generate(**{"seed": 5} | params)
        ids.append(shapes(run(engine, [request]).outcomes[request.id])[0]["id"])
    assert ids[0] != ids[1]


def test_another_callers_same_request_makes_another_shape(make: Make) -> None:
    engine = make()
    mine = generate(seed=5)
    theirs = dataclasses.replace(generate(seed=5), tenant="somebody")
    outcomes = run(engine, [mine, theirs]).outcomes
    assert shapes(outcomes[mine.id])[0]["id"] != shapes(outcomes[theirs.id])[0]["id"]


def test_the_same_upload_makes_the_same_shape(make: Make) -> None:
    engine = make()
    ids = {}
    frame = {"center": [1.0, 0.0, 0.0], "scale": 0.5}
    for name, params in {"a": {}, "b": {}, "moved": {"normalization": frame}}.items():
        request = job(
            Operation.ENCODE,
            input_ref=put_points(engine, name, sphere_points()),
            resolution=RESOLUTION,
            **params,
        )
        (shape,) = shapes(run(engine, [request]).outcomes[request.id])
        ids[name] = (shape["id"], shape["reused"])
    assert ids["b"] == (ids["a"][0], True)
    assert ids["moved"][0] != ids["a"][0]


def test_resample_keeps_the_coarse_levels_and_names_the_parent(make: Make) -> None:
    engine = make()
    parent = generate(seed=1)
    (shape,) = shapes(run(engine, [parent]).outcomes[parent.id])
    request = job(
        Operation.RESAMPLE,
        input_ref=latents_ref(shape["id"]),
        parents=[shape["id"]],
        n=2,
        seed=9,
        steps=2,
        keep_level=2,
        resolution=RESOLUTION,
    )
    children = shapes(run(engine, [request]).outcomes[request.id])
    old, *new = (
        LatentFile.from_safetensors(blob(engine, latents_ref(each["id"]))).levels
        for each in [shape, *children]
    )
    for levels in new:
        np.testing.assert_array_equal(levels[3], old[3])
        np.testing.assert_array_equal(levels[2], old[2])
        assert not np.array_equal(levels[1], old[1])
    assert [child["parents"] for child in children] == [[shape["id"]]] * 2
    assert [child["seed"] for child in children] == [9, 10]
    # All of these fields are the same ball.
    assert [child["metrics"] for child in children] == [{"parent_distance": 0.0}] * 2


def test_decoding_a_shape_again_makes_no_new_shape(make: Make) -> None:
    engine = make()
    parent = generate(seed=1, category="chair")
    (shape,) = shapes(run(engine, [parent]).outcomes[parent.id])
    request = job(
        Operation.DECODE,
        input_ref=latents_ref(shape["id"]),
        shape=shape["id"],
        parents=[],
        resolution=RESOLUTION,
        format="stl",
    )
    outcome = run(engine, [request]).outcomes[request.id]
    (again,) = shapes(outcome)
    assert isinstance(outcome, Succeeded)
    assert outcome.shapes == ()
    assert again["id"] == shape["id"]
    assert again["seed"] == 1
    assert again["category"] == "chair"
    assert again["latents"] == shape["latents"]
    assert again["mesh"]["format"] == "stl"


def test_decoding_uploaded_latents_makes_a_shape_and_trusts_no_metadata(make: Make) -> None:
    engine = make()
    generator = np.random.default_rng(0)
    levels = {
        3 - i: generator.normal(size=(level.tokens, level.channels)).astype(np.float32)
        for i, level in enumerate(TINY.autoencoder.levels)
    }
    file = LatentFile(levels, {"seed": "not a number", "normalization": "{"})
    ref = put(engine, "inputs/upload.safetensors", file.to_safetensors())
    request = job(Operation.DECODE, input_ref=ref, parents=["shp_a"], resolution=RESOLUTION)
    outcome = run(engine, [request]).outcomes[request.id]
    (shape,) = shapes(outcome)
    assert isinstance(outcome, Succeeded)
    assert outcome.shapes[0].parents == ("shp_a",)
    assert shape["seed"] is None


def test_a_real_field_is_decoded(store: LocalBlobStore) -> None:
    finisher = Finisher(store, retention_s=60, mesh_retention_s=60)
    engine = Engine(ShapePipeline.load(device="cpu"), store, finisher)
    points = to_point_cloud(trimesh.creation.box((1.0, 0.6, 0.8))).points
    request = job(
        Operation.ENCODE, input_ref=put_points(engine, "box", points), resolution=RESOLUTION
    )
    try:
        outcome = run(engine, [request]).outcomes[request.id]
    finally:
        engine.close()
        finisher.close()
    shape = shapes(outcome)[0]
    assert shape["mesh"]["faces"] > 100
    assert shape["metrics"]["chamfer"] < 0.06


def test_coarser_surfaces_are_shown_on_the_way(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoEncoder, "fold", lambda *_: BeadField())
    engine = make(ShapePipeline)
    request, small = generate(resolution=128, n=2), generate(resolution=48)
    recorder = run(engine, [request, small])
    shown = recorder.artifacts[request.id]
    assert [(one.sample, one.resolution) for one in shown] == [(0, 32), (0, 64), (1, 32), (1, 64)]
    mesh = load_mesh(blob(engine, shown[1].ref))
    np.testing.assert_allclose(mesh.bounds, [[-0.5] * 3, [0.5] * 3], atol=0.01)
    assert small.id not in recorder.artifacts


def test_asking_every_sample_finds_a_part_that_tracking_misses(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoEncoder, "fold", lambda *_: BeadField())
    engine = make(ShapePipeline)
    parts = {}
    for exhaustive in (False, True):
        request = generate(resolution=64, exhaustive=exhaustive)
        (shape,) = shapes(run(engine, [request]).outcomes[request.id])
        told = shape["mesh"]
        parts[told["exhaustive"]] = told["components"]
        assert told["url"].endswith("&exhaustive=true") == exhaustive
        ref = mesh_ref(
            shape["id"],
            resolution=64,
            target_faces=None,
            exhaustive=exhaustive,
            space="input",
            format="glb",
        )
        assert len(blob(engine, ref)) == told["bytes"]
    assert parts == {False: 1, True: 2}


def test_asking_every_sample_tells_of_every_chunk_and_stops_when_canceled(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoEncoder, "fold", lambda *_: BeadField())
    engine = make(ShapePipeline)
    request = generate(resolution=64, exhaustive=True)
    patient = Impatient(float("inf"))
    assert isinstance(run(engine, [request], patient).outcomes[request.id], Succeeded)
    assert patient.told > np.pi / 6 * 64**3 / QUERY_CHUNK  # what lies in the ball is asked
    impatient = Impatient(patience=patient.told // 2)
    assert isinstance(run(engine, [request], impatient).outcomes[request.id], Canceled)
    assert impatient.told == impatient.patience + 1
    assert impatient.stages[request.id][-1] is Stage.DECODE


def test_a_job_from_before_a_mesh_option_was_there_runs_with_its_default(make: Make) -> None:
    request = generate()
    del request.params["exhaustive"]
    (shape,) = shapes(run(make(), [request]).outcomes[request.id])
    assert shape["mesh"]["exhaustive"] is False


def test_a_field_without_surface_fails_its_job_only(make: Make) -> None:
    engine = make()
    request = generate()
    SpherePipeline.radius = 0
    try:
        outcome = run(engine, [request]).outcomes[request.id]
    finally:
        SpherePipeline.radius = 0.5
    assert code(outcome) == "empty_surface"
    assert set(outcome.timings_ms) >= {"denoise_l3", "denoise_l2", "denoise_l1", "decode"}


def test_a_missing_input_fails_its_job_only(make: Make) -> None:
    engine = make()
    options: dict[str, Any] = {"resolution": RESOLUTION}
    missing = job(Operation.ENCODE, input_ref="inputs/none.npy", **options)
    good = job(Operation.ENCODE, input_ref=put_points(engine, "a", sphere_points()), **options)
    outcomes = run(engine, [missing, good]).outcomes
    assert code(outcomes[missing.id]) == "internal"
    assert len(shapes(outcomes[good.id])) == 1


def test_broken_latents_fail_as_such(make: Make) -> None:
    engine = make()
    ref = put(engine, "inputs/broken.safetensors", b"nonsense")
    request = job(Operation.DECODE, input_ref=ref, resolution=RESOLUTION)
    assert code(run(engine, [request]).outcomes[request.id]) == "invalid_latents"


def test_a_batch_that_does_not_fit_is_cut_and_a_bad_row_is_found(make: Make) -> None:
    engine = make(PickyPipeline)
    bad_points = sphere_points().copy()
    bad_points[0] = 9
    clouds = [sphere_points(), bad_points, sphere_points(), sphere_points()]
    jobs = [
        job(
            Operation.ENCODE,
            input_ref=put_points(engine, str(i), points),
            resolution=RESOLUTION,
        )
        for i, points in enumerate(clouds)
    ]
    outcomes = run(engine, jobs).outcomes
    assert code(outcomes[jobs[1].id]) == "internal"
    for fine in (jobs[0], jobs[2], jobs[3]):
        assert len(shapes(outcomes[fine.id])) == 1


def test_a_single_job_that_does_not_fit_is_told_so(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(PickyPipeline)
    monkeypatch.setattr(PickyPipeline, "capacity", 0)
    request = job(
        Operation.ENCODE,
        input_ref=put_points(engine, "a", sphere_points()),
        resolution=RESOLUTION,
    )
    assert code(run(engine, [request]).outcomes[request.id]) == "out_of_memory"


@pytest.mark.parametrize("stage", [Stage.DENOISE_L2, Stage.DECODE])
def test_a_canceled_job_stops_and_its_mate_goes_on(make: Make, stage: Stage) -> None:
    unwanted, wanted = generate(seed=1), generate(seed=2)
    outcomes = run(make(), [unwanted, wanted], Recorder({unwanted.id: stage})).outcomes
    assert isinstance(outcomes[unwanted.id], Canceled)
    assert len(shapes(outcomes[wanted.id])) == 1


def test_sampling_stops_when_all_its_jobs_are_canceled(make: Make) -> None:
    jobs = [generate(seed=1), generate(seed=2)]
    cancel_at = {each.id: Stage.DENOISE_L3 for each in jobs}
    recorder = run(make(), jobs, Recorder(cancel_at))
    assert all(isinstance(outcome, Canceled) for outcome in recorder.outcomes.values())
    assert recorder.stages[jobs[0].id] == [Stage.DENOISE_L3]


def test_an_error_that_poisons_the_device_escapes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make()

    def poison(*args: object, **kwargs: object) -> None:
        raise torch.AcceleratorError("illegal memory access")

    monkeypatch.setattr(engine._pipeline, "sample", poison)
    with pytest.raises(torch.AcceleratorError):
        engine.run([generate()], Recorder())


def test_the_model_is_free_while_shapes_are_finished(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, let_go = make(), threading.Event()
    finish = engine._finishing.finish

    def slowly(draft: Draft, on_stage: OnStage) -> Finished:
        let_go.wait(30)
        return finish(draft, on_stage)

    monkeypatch.setattr(engine._finishing, "finish", slowly)
    first, second, recorder = generate(seed=1), generate(seed=2), Recorder()
    ends = [engine.run([first], recorder), engine.run([second], recorder)]
    assert recorder.outcomes == {}
    let_go.set()
    for end in ends:
        end.result()
    assert list(recorder.outcomes) == [first.id, second.id]
    assert all(shapes(outcome) for outcome in recorder.outcomes.values())


def test_the_model_waits_where_finishing_falls_behind(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, let_go, recorder = make(), threading.Event(), Recorder()
    finish, track_plainly = engine._finishing.finish, engine._pipeline.track
    tracked: list[dict[str, Any]] = []

    def slowly(draft: Draft, on_stage: OnStage) -> Finished:
        let_go.wait(30)
        return finish(draft, on_stage)

    def counted(*args: Any, **kwargs: Any) -> Iterator[TrackedLogits]:
        tracked.append(kwargs)
        return track_plainly(*args, **kwargs)

    monkeypatch.setattr(engine._finishing, "finish", slowly)
    monkeypatch.setattr(engine._pipeline, "track", counted)
    request = generate(n=6)
    running = threading.Thread(target=lambda: engine.run([request], recorder).result())
    running.start()
    while len(tracked) < 4:  # one being finished, two waiting, one without room
        time.sleep(0.005)
    running.join(0.3)
    assert running.is_alive()
    assert len(tracked) == 4
    let_go.set()
    running.join(30)
    assert len(tracked) == 6
    assert len(shapes(recorder.outcomes[request.id])) == 6


def test_the_death_of_the_finishing_process_escapes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, recorder = make(), Recorder()

    def die(draft: Draft, on_stage: OnStage) -> Finished:
        raise FinishingDiedError("the finishing process ended (signal 9)")

    monkeypatch.setattr(engine._finishing, "finish", die)
    with pytest.raises(FinishingDiedError):
        engine.run([generate()], recorder).result()
    assert recorder.outcomes == {}


def test_an_encoded_cloud_is_where_its_surface_is_looked_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, points, given = make(), sphere_points(), []
    plain = engine._pipeline.track

    def spy(*args: Any, **kwargs: Any) -> Iterator[TrackedLogits]:
        given.append(kwargs["seeds"])
        return plain(*args, **kwargs)

    monkeypatch.setattr(engine._pipeline, "track", spy)
    options: dict[str, Any] = {"resolution": RESOLUTION}
    run(engine, [job(Operation.ENCODE, input_ref=put_points(engine, "a", points), **options)])
    run(engine, [generate()])
    (seeds,), none = given
    np.testing.assert_array_equal(seeds, points)
    assert none is None


def test_it_tells_what_it_loaded(make: Make) -> None:
    engine = make()
    assert engine.model["name"] == "tiny"
    assert engine.model["can"] == ("encode", "decode", "generate", "resample")
    assert engine.device == "cpu"
    assert engine.memory() == {}
