"""Equal requests: one shape, computed once."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from model.latents import Latents
from service.jobqueue.lease import Canceled, Succeeded
from service.jobs import Job, Operation, Stage
from service.store.refs import latents_ref, mesh_ref
from service.worker.draft import Draft, Finished
from service.worker.engine import Engine
from service.worker.finisher import OnStage
from tests.service.worker.engines import (
    RESOLUTION,
    Make,
    PickyPipeline,
    Recorder,
    blob,
    code,
    generate,
    put_points,
    run,
    shapes,
    sphere_points,
)
from tests.service.worker.jobs import job


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


def encode(engine: Engine, name: str, **params: Any) -> Job:
    ref = put_points(engine, name, sphere_points())
    return job(Operation.ENCODE, input_ref=ref, **{"resolution": RESOLUTION} | params)


@pytest.mark.parametrize("operation", [Operation.GENERATE, Operation.ENCODE])
def test_equal_requests_in_one_batch_are_computed_once(make: Make, operation: Operation) -> None:
    engine = make()
    options: list[dict[str, Any]] = [{}, {"format": "obj"}, {"target_faces": 200}]
    if operation is Operation.GENERATE:
        jobs = [generate(seed=5, **each) for each in options]
    else:
        jobs = [encode(engine, str(index), **each) for index, each in enumerate(options)]
    recorder = run(engine, jobs)
    assert recorder.made == 1
    first, *others = made = [shapes(recorder.outcomes[each.id])[0] for each in jobs]
    assert [shape["reused"] for shape in made] == [False, True, True]
    for other in others:
        assert (other["id"], other["latents"]) == (first["id"], first["latents"])
    assert [shape["mesh"]["format"] for shape in made] == ["glb", "obj", "glb"]
    assert made[2]["mesh"]["faces"] < made[0]["mesh"]["faces"]
    for shape in made:
        options_of = {name: shape["mesh"][name] for name in MESH_NAMES}
        assert len(blob(engine, mesh_ref(shape["id"], **options_of))) == shape["mesh"]["bytes"]
    stages = recorder.stages[jobs[0].id]
    assert all(recorder.stages[each.id] == stages for each in jobs)
    assert len(stages) > 3


MESH_NAMES = ("resolution", "target_faces", "exhaustive", "space", "format")


def test_jobs_share_those_of_their_samples_that_are_the_same(make: Make) -> None:
    few, more = generate(seed=5, n=2), generate(seed=6, n=3)
    recorder = run(make(), [few, more])
    assert recorder.made == 4
    left, right = (shapes(recorder.outcomes[each.id]) for each in (few, more))
    assert left[1]["id"] == right[0]["id"]
    assert [shape["reused"] for shape in left + right] == [False, False, True, False, False]
    assert [shape["seed"] for shape in right] == [6, 7, 8]


@pytest.mark.parametrize("unwanted", [0, 1])
@pytest.mark.parametrize("stage", [Stage.DENOISE_L2, Stage.DECODE])
def test_who_cancels_a_shared_shape_takes_it_from_nobody(
    make: Make, unwanted: int, stage: Stage
) -> None:
    jobs = [generate(seed=5), generate(seed=5)]
    recorder = run(make(), jobs, Recorder({jobs[unwanted].id: stage}))
    assert recorder.made == 1
    assert isinstance(recorder.outcomes[jobs[unwanted].id], Canceled)
    (shape,) = shapes(recorder.outcomes[jobs[1 - unwanted].id])
    assert not shape["reused"]


def test_a_shape_that_cannot_be_made_fails_all_who_ask_for_it_and_no_other(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(PickyPipeline)
    monkeypatch.setattr(PickyPipeline, "capacity", 2)
    bad = sphere_points().copy()
    bad[0] = 9
    refs = [put_points(engine, str(index), bad) for index in range(2)]
    twins = [job(Operation.ENCODE, input_ref=ref, resolution=RESOLUTION) for ref in refs]
    good = encode(engine, "good")
    outcomes = run(engine, [twins[0], good, twins[1]]).outcomes
    assert [code(outcomes[twin.id]) for twin in twins] == ["internal", "internal"]
    assert len(shapes(outcomes[good.id])) == 1


def test_a_batch_takes_what_the_one_before_has_not_finished(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, let_go, recorder = make(), threading.Event(), Recorder()
    finish = engine._finishing.finish

    def slowly(draft: Draft, on_stage: OnStage) -> Finished:
        let_go.wait(30)
        return finish(draft, on_stage)

    monkeypatch.setattr(engine._finishing, "finish", slowly)
    first, second = generate(seed=5), generate(seed=5)
    ends = [engine.run([first], recorder), engine.run([second], recorder)]
    assert recorder.outcomes == {}
    let_go.set()
    for end in ends:
        end.result()
    assert recorder.made == 1
    made = [shapes(recorder.outcomes[each.id])[0] for each in (first, second)]
    assert made[0]["latents"] == made[1]["latents"]
    assert [shape["reused"] for shape in made] == [False, True]


def test_of_two_workers_that_make_a_shape_at_once_the_first_decides(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, quicker = make(), make()
    plain = engine._pipeline.sample
    theirs: list[dict[str, Any]] = []

    def late(*args: Any, **kwargs: Any) -> Latents:
        other = generate(seed=5, category="table")
        theirs.extend(shapes(run(quicker, [other]).outcomes[other.id]))
        latents = plain(*args, **kwargs)
        return Latents.from_numpy([{n: v + 1 for n, v in latents.to_numpy(0).items()}])

    monkeypatch.setattr(engine._pipeline, "sample", late)
    mine = generate(seed=5, category="table")
    (shape,) = shapes(run(engine, [mine]).outcomes[mine.id])
    assert (shape["id"], shape["latents"]) == (theirs[0]["id"], theirs[0]["latents"])
    assert shape["reused"]


def test_a_disk_that_refuses_latents_early_spoils_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make()
    put, refused = engine._store.put, []

    async def refuse_once(ref: str, data: bytes) -> None:
        if ref.startswith("latents/") and not refused:
            refused.append(ref)
            raise OSError(28, "No space left on device")
        await put(ref, data)

    monkeypatch.setattr(engine._store, "put", refuse_once)
    request = generate(seed=5)
    (shape,) = shapes(run(engine, [request]).outcomes[request.id])
    assert refused == [latents_ref(shape["id"])]
    assert len(blob(engine, latents_ref(shape["id"]))) > 0


def test_a_disk_that_cannot_be_read_has_latents_made(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make()
    run(engine, [generate(seed=5)])

    async def broken(ref: str) -> bytes:
        raise OSError(5, f"Input/output error: {ref}")

    monkeypatch.setattr(engine._store, "get", broken)
    request = generate(seed=5)
    recorder = run(engine, [request])
    (shape,) = shapes(recorder.outcomes[request.id])
    assert (recorder.made, shape["reused"]) == (1, False)


def test_a_job_whose_latents_are_there_does_not_wait_for_its_mates(make: Make) -> None:
    engine = make()
    known = generate(seed=5)
    run(engine, [known])
    new, again = generate(seed=6), generate(seed=5)
    recorder = run(engine, [new, again])
    assert recorder.made == 1
    assert list(recorder.outcomes) == [again.id, new.id]
    assert recorder.stages[again.id] == [Stage.DECODE, Stage.MESH, Stage.EXPORT]


def test_progress_begins_low_and_only_grows_also_of_what_is_shared(make: Make) -> None:
    engine = make()
    run(engine, [generate(seed=5)])
    jobs = [generate(seed=5), generate(seed=6, n=3), generate(seed=6), generate(seed=5, n=2)]
    recorder = run(engine, jobs)
    for each in jobs:
        values = recorder.values[each.id]
        assert values == sorted(values)
        assert values[0] < 0.1
        assert values[-1] > 0.9
        stages = recorder.stages[each.id]
        assert stages == sorted(stages, key=list(Stage).index)
