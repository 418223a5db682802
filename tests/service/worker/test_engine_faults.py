"""Jobs that cannot be run, models that misbehave, jobs that are canceled."""

from typing import Any

import pytest
import torch

from model.latents import Latents
from service.errors import EmptySurface, InvalidLatents, NotFound, ServiceError
from service.jobqueue.lease import Canceled, Failed, Outcome
from service.jobs import Job, Operation, Stage
from service.store.refs import latents_ref
from service.worker.engine import Engine
from service.worker.task import Task
from tests.service.worker.engines import (
    RESOLUTION,
    Make,
    PickyPipeline,
    Recorder,
    SpherePipeline,
    blob,
    code,
    generate,
    put,
    put_points,
    run,
    shapes,
    sphere_points,
)
from tests.service.worker.jobs import job


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


@pytest.mark.parametrize(
    ("operation", "sent"),
    [
        (Operation.ENCODE, False),
        (Operation.GENERATE, False),
        (Operation.RESAMPLE, False),
        (Operation.RESAMPLE, True),
        (Operation.DECODE, False),
        (Operation.DECODE, True),
    ],
)
def test_a_field_that_is_not_finite_is_blamed_on_latents_only_where_some_were_sent(
    make: Make, monkeypatch: pytest.MonkeyPatch, operation: Operation, sent: bool
) -> None:
    engine = make()
    ref = None
    match operation:
        case Operation.ENCODE:
            ref = put_points(engine, "a", sphere_points())
        case Operation.RESAMPLE | Operation.DECODE:
            made = generate()
            run(engine, [made])
            latents = blob(engine, latents_ref(shape_of(engine, made)))
            ref = put(engine, f"{'inputs' if sent else 'latents'}/b.safetensors", latents)
    request = job(operation, input_ref=ref, steps=2, resolution=RESOLUTION)
    monkeypatch.setattr(SpherePipeline, "radius", float("nan"))
    error = refusal(run(engine, [request]).outcomes[request.id])
    assert "NaN" in error.detail
    assert isinstance(error, InvalidLatents if sent else EmptySurface)
    sampled = operation in (Operation.GENERATE, Operation.RESAMPLE)
    assert ("guidance" in str(error.suggestion)) == (sampled and not sent)


def shape_of(engine: Engine, request: Job) -> str:
    return Task.read(request, None).shape_id(0, engine.model["weights_sha256"])


def test_an_input_that_is_gone_by_then_is_not_found_and_fails_its_job_only(make: Make) -> None:
    engine = make()
    options: dict[str, Any] = {"resolution": RESOLUTION}
    missing = job(Operation.ENCODE, input_ref="inputs/none.npy", **options)
    good = job(Operation.ENCODE, input_ref=put_points(engine, "a", sphere_points()), **options)
    outcomes = run(engine, [missing, good]).outcomes
    error = refusal(outcomes[missing.id])
    assert isinstance(error, NotFound)
    assert "kept for 1 day" in error.detail
    assert error.suggestion == "Send the request again."
    assert not error.spec.retryable
    assert len(shapes(outcomes[good.id])) == 1


def test_a_sample_that_diverges_fails_its_job_only(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make()
    sample = engine._pipeline.sample

    def diverging(seeds: list[int], *args: Any, **options: Any) -> Latents:
        *coarse, finest = sample(seeds, *args, **options).levels
        spoiled = torch.tensor([seed == 13 for seed in seeds]).view(-1, 1, 1)
        return Latents((*coarse, finest.masked_fill(spoiled, torch.nan)))

    monkeypatch.setattr(engine._pipeline, "sample", diverging)
    bad, good = generate(seed=13), generate(seed=14)
    outcomes = run(engine, [bad, good]).outcomes
    error = refusal(outcomes[bad.id])
    assert isinstance(error, EmptySurface)
    assert "guidance" in str(error.suggestion)
    assert "level1 has NaN or infinite values" in error.detail
    assert len(shapes(outcomes[good.id])) == 1


@pytest.mark.parametrize("operation", [Operation.RESAMPLE, Operation.DECODE])
def test_latents_that_are_gone_by_then_are_not_found(make: Make, operation: Operation) -> None:
    ref = latents_ref("shp_a")
    request = job(operation, input_ref=ref, parents=["shp_a"], resolution=RESOLUTION)
    error = refusal(run(make(), [request]).outcomes[request.id])
    assert isinstance(error, NotFound)
    assert error.param == "shape"
    assert "shp_a are gone" in error.detail
    assert "kept for 7 days" in error.detail
    assert error.suggestion is not None


def refusal(outcome: Outcome) -> ServiceError:
    assert isinstance(outcome, Failed), outcome
    return ServiceError.from_dict(outcome.error)


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
