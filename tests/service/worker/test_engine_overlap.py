"""The model goes on while shapes are finished beside it."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model.grid import TrackedLogits
from service.worker.draft import Draft, Finished
from service.worker.finisher import OnStage
from service.worker.finishing import FinishingDiedError
from tests.service.worker.engines import (
    Make,
    Recorder,
    generate,
    shapes,
)


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
