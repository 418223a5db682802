"""What is said of things that are not there."""

import time

import pytest

from service.jobqueue.refusals import job_not_found
from service.jobs import new_id

DAY_MS = 24 * 3600 * 1000


def test_a_job_that_was_there_once_has_expired() -> None:
    old = new_id("job", now_ms=int(time.time() * 1000) - 2 * DAY_MS)
    detail = job_not_found(old, DAY_MS).detail
    assert "has expired: it was made at 20" in detail
    assert "is kept for 24 hours" in detail


@pytest.mark.parametrize("made_ms", [0, 5, 1_600_000_000_000, 2**48 - 1])
def test_an_id_of_a_time_without_jobs_is_none_that_expired(made_ms: int) -> None:
    made_up = new_id("job", now_ms=made_ms)
    assert job_not_found(made_up, DAY_MS).detail == f"There is no job {made_up!r}."
