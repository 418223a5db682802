"""The first sample that fails fails its job: the others are made only for those who share them."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from model.grid import TrackedLogits
from model.latents import Latents
from service.errors import EmptySurface
from service.worker.draft import Draft, Finished
from service.worker.engine import Engine
from service.worker.finisher import OnStage
from tests.service.worker.engines import Make, code, generate, run, shapes


@pytest.fixture
def engine(make: Make) -> Engine:
    return make()


def counting_finish(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, fail_at: int | None = None
) -> list[str]:
    """Shapes that were begun to be finished; the one of this number fails."""
    begun: list[str] = []
    finish = engine._finishing.finish

    def counted(draft: Draft, on_stage: OnStage) -> Finished:
        begun.append(draft.provenance.shape_id)
        if len(begun) - 1 == fail_at:
            raise EmptySurface("none")
        return finish(draft, on_stage)

    monkeypatch.setattr(engine._finishing, "finish", counted)
    return begun


def test_a_sample_without_latents_spares_the_surfaces_of_its_job_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = engine._pipeline.sample

    def diverging(seeds: list[int], *args: Any, **options: Any) -> Latents:
        *coarse, finest = sample(seeds, *args, **options).levels
        spoiled = torch.tensor([seed == 13 for seed in seeds]).view(-1, 1, 1)
        return Latents((*coarse, finest.masked_fill(spoiled, torch.nan)))

    monkeypatch.setattr(engine._pipeline, "sample", diverging)
    begun = counting_finish(engine, monkeypatch)
    bad, good = generate(seed=11, n=4), generate(seed=11, n=2)  # 11 and 12 are in both
    outcomes = run(engine, [bad, good]).outcomes
    assert code(outcomes[bad.id]) == "empty_surface"
    made = shapes(outcomes[good.id])
    assert begun == [shape["id"] for shape in made]
    assert [shape["reused"] for shape in made] == [False, False]


def test_a_field_that_fails_is_the_last_that_is_followed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    track, calls = engine._pipeline.track, itertools.count()

    def failing(*args: Any, **kwargs: Any) -> Iterator[TrackedLogits]:
        if next(calls) == 1:
            raise ValueError("no field")
        return track(*args, **kwargs)

    monkeypatch.setattr(engine._pipeline, "track", failing)
    begun = counting_finish(engine, monkeypatch)
    request = generate(n=4)
    assert code(run(engine, [request]).outcomes[request.id]) == "internal"
    assert next(calls) == 2
    assert len(begun) <= 1


def test_what_waits_behind_a_sample_that_cannot_be_finished_is_dropped(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = counting_finish(engine, monkeypatch, fail_at=0)
    bad, good = generate(seed=1, n=4), generate(seed=2, n=2)
    outcomes = run(engine, [bad, good]).outcomes
    assert code(outcomes[bad.id]) == "empty_surface"
    made = shapes(outcomes[good.id])
    assert begun[1:] == [shape["id"] for shape in made]
