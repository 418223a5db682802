"""Time by stage."""

import pytest

from service.jobs import Stage
from service.worker.stopwatch import Stopwatch


def test_time_goes_to_the_stage_that_was_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([1.0, 1.25, 1.5, 2.0, 2.125, 9.0])
    monkeypatch.setattr("service.worker.stopwatch.time.perf_counter", lambda: next(readings))
    stopwatch = Stopwatch()
    for stage in (Stage.DECODE, Stage.MESH, Stage.DECODE, Stage.MESH, None, None):
        stopwatch.enter(stage)
    assert stopwatch.timings_ms == {Stage.DECODE: 250 + 500, Stage.MESH: 250 + 125}
