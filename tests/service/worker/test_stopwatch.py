"""Time by stage."""

import time

import pytest

from service.jobs import Stage
from service.worker.stopwatch import Stopwatch


def test_time_goes_to_the_stage_that_was_entered() -> None:
    stopwatch = Stopwatch()
    for _ in range(2):
        stopwatch.enter(Stage.DECODE)
        time.sleep(0.01)
        stopwatch.enter(Stage.MESH)
    stopwatch.enter(None)
    time.sleep(0.01)
    stopwatch.enter(None)
    assert set(stopwatch.timings_ms) == {Stage.DECODE, Stage.MESH}
    assert stopwatch.timings_ms[Stage.DECODE] >= 20
    assert stopwatch.timings_ms[Stage.MESH] == pytest.approx(0, abs=5)
