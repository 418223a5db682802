"""The batching policy, with a clock of our own."""

from dataclasses import replace

import pytest

from service.jobs import Operation
from service.worker.batching import MAX_WAIT_S, Batcher, cost
from tests.service.worker.jobs import entry, job

GENERATE_WAIT_S = MAX_WAIT_S[Operation.GENERATE]


@pytest.fixture
def batcher() -> Batcher:
    return Batcher(slots=4, budget=4.0)


def test_a_default_job_costs_one() -> None:
    assert cost(job()) == pytest.approx(1.0)


def test_cost_grows_with_samples_steps_and_the_square_of_the_resolution() -> None:
    assert cost(job(n=16)) == pytest.approx(16.0)
    assert cost(job(steps=36)) == pytest.approx(1.9)
    assert cost(job(Operation.DECODE, resolution=256)) == pytest.approx(
        4 * cost(job(Operation.DECODE, resolution=128))
    )


def test_asking_every_sample_costs_the_cube_of_the_resolution() -> None:
    """Measured: sampling 0.93 s, tracking 0.08 s, every sample 0.61 s (benchmarks/RESULTS.md)."""
    tracked, *exhaustive = (
        cost(job(Operation.DECODE, resolution=resolution, exhaustive=exhaustive))
        for resolution, exhaustive in [(128, False), (128, True), (256, True)]
    )
    assert exhaustive[0] == pytest.approx(6 * tracked)
    assert exhaustive[1] == pytest.approx(8 * exhaustive[0])
    assert cost(job(n=4, exhaustive=True)) == pytest.approx(4 * (0.9 + exhaustive[0]))


def test_nothing_held_gives_no_batch(batcher: Batcher) -> None:
    assert batcher.take(now=0.0) is None
    assert batcher.due_in(now=0.0) is None


def test_a_lone_job_waits_for_company_and_then_goes(batcher: Batcher) -> None:
    batcher.add([entry(job())], now=10.0)
    assert batcher.take(now=10.0) is None
    assert batcher.due_in(now=10.0) == pytest.approx(GENERATE_WAIT_S)
    batch = batcher.take(now=10.0 + GENERATE_WAIT_S)
    assert batch is not None
    assert len(batch.entries) == 1
    assert batcher.entries == ()


def test_jobs_of_one_key_go_together_in_order_of_arrival(batcher: Batcher) -> None:
    first, second = entry(job()), entry(job())
    batcher.add([first], now=0.0)
    batcher.add([second], now=GENERATE_WAIT_S / 2)
    batch = batcher.take(now=GENERATE_WAIT_S)
    assert batch is not None
    assert batch.entries == (first, second)


def test_full_slots_do_not_wait(batcher: Batcher) -> None:
    batcher.add([entry(job(steps=2)) for _ in range(4)], now=0.0)
    batch = batcher.take(now=0.0)
    assert batch is not None
    assert len(batch.entries) == 4


def test_the_cost_budget_closes_a_batch_and_leaves_the_rest(batcher: Batcher) -> None:
    batcher.add([entry(job(n=3)) for _ in range(2)], now=0.0)
    batch = batcher.take(now=0.0)
    assert batch is not None
    assert len(batch.entries) == 1
    assert len(batcher.entries) == 1


def test_an_exhaustive_job_beyond_the_budget_keeps_no_other_waiting(batcher: Batcher) -> None:
    small, large = entry(job()), entry(job(resolution=256, exhaustive=True))
    other = entry(job(resolution=256))
    batcher.add([small, other, large], now=0.0)
    taken = [batcher.take(now=1.0) for _ in range(3)]
    assert [batch.entries for batch in taken if batch] == [(small,), (other,), (large,)]


def test_a_job_beyond_the_budget_runs_by_itself(batcher: Batcher) -> None:
    batcher.add([entry(job(n=16)), entry(job())], now=0.0)
    batch = batcher.take(now=0.0)
    assert batch is not None
    assert [held.job.params["n"] for held in batch.entries] == [16]


def test_other_keys_are_not_mixed(batcher: Batcher) -> None:
    entries = [entry(replace(job(), batch_key=key)) for key in "abc"]
    batcher.add(entries, now=0.0)
    for expected in entries:
        batch = batcher.take(now=1.0)
        assert batch is not None
        assert batch.entries == (expected,)


def test_a_full_group_passes_one_that_still_waits(batcher: Batcher) -> None:
    batcher.add([entry(job(steps=4)), entry(job(n=4))], now=0.0)
    batch = batcher.take(now=0.0)
    assert batch is not None
    assert batch.entries[0].job.params["n"] == 4


def test_the_most_urgent_job_goes_first(batcher: Batcher) -> None:
    late, urgent = entry(job(priority=2)), entry(job(priority=0))
    batcher.add([late], now=0.0)
    batcher.add([urgent], now=0.0)
    batch = batcher.take(now=1.0)
    assert batch is not None
    assert batch.entries == (urgent, late)


def test_a_redelivered_job_runs_alone_and_at_once(batcher: Batcher) -> None:
    suspect = entry(job(attempts=1))
    batcher.add([entry(job()), suspect, entry(job())], now=0.0)
    batch = batcher.take(now=0.0)
    assert batch is not None
    assert batch.entries == (suspect,)
    others = batcher.take(now=1.0)
    assert others is not None
    assert len(others.entries) == 2


def test_a_job_fetched_twice_is_held_once(batcher: Batcher) -> None:
    twice = entry(job())
    batcher.add([twice], now=0.0)
    batcher.add([twice], now=1.0)
    assert batcher.entries == (twice,)
    assert batcher.room == 3


def test_clearing_hands_everything_back(batcher: Batcher) -> None:
    held = entry(job())
    batcher.add([held], now=0.0)
    assert batcher.clear() == (held,)
    assert batcher.room == 4
