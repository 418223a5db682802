"""States, ids and requests."""

import pytest

from service.jobs import JobState, NewJob, Operation, made_ms, new_id


def test_jobs_that_neither_wait_nor_run_have_ended() -> None:
    terminal = {state for state in JobState if state.terminal}
    assert terminal == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED}


def test_ids_sort_by_time() -> None:
    ids = [new_id("job", now_ms=1_700_000_000_000 + step) for step in range(100)]
    assert ids == sorted(ids)
    assert all(len(name) == 30 and name.startswith("job_") for name in ids)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id("shp", now_ms=5) for _ in range(1000)}) == 1000


def test_the_largest_time_fits() -> None:
    assert new_id("shp", now_ms=2**48 - 1).startswith("shp_7zzzzzzzz")


def test_a_priority_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="priority"):
        NewJob(operation=Operation.DECODE, params={}, batch_key="k", priority=3)


def test_an_id_tells_when_it_was_made() -> None:
    assert made_ms(new_id("shp", now_ms=1_800_000_000_123)) == 1_800_000_000_123


@pytest.mark.parametrize("text", ["", "shp", "shp_1", "shp_" + "u" * 26, "shp_" + "0" * 27])
def test_what_is_no_id_tells_no_time(text: str) -> None:
    assert made_ms(text) is None
