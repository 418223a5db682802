"""The token bucket: what a minute brings, shared by all who ask."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from service.errors import RateLimited
from service.jobqueue.queue import JobQueue
from service.jobqueue.rates import Rates
from service.jobs import CallerLimits, NewJob, Operation


def rates_of(redis: Redis, per_minute: int = 3, live_jobs: int = 5) -> Rates:
    return Rates(redis, CallerLimits(per_minute=per_minute, live_jobs=live_jobs))


async def turn_back(redis: Redis, tenant: str, milliseconds: int) -> None:
    """Make a bucket believe that so much time has passed."""
    await redis.hincrby(f"lg:rate:{tenant}", "at_ms", -milliseconds)


async def test_a_minutes_worth_may_come_at_once(redis: Redis) -> None:
    rates = rates_of(redis)
    for left in (2, 1, 0):
        await rates.take("a")
        standing = await rates.standing("a")
        assert standing.submissions == left
        assert 0 < standing.next_s <= 20
    with pytest.raises(RateLimited, match="3 requests a minute") as caught:
        await rates.take("a")
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 20


async def test_an_untouched_bucket_is_full(redis: Redis) -> None:
    standing = await rates_of(redis).standing("a")
    assert (standing.submissions, standing.next_s) == (3, 0)
    assert await redis.keys("lg:rate:*") == []


async def test_time_brings_tokens_and_no_more_than_a_minutes(redis: Redis) -> None:
    rates = rates_of(redis)
    for _ in range(3):
        await rates.take("a")
    await turn_back(redis, "a", 20_000)
    await rates.take("a")
    with pytest.raises(RateLimited):
        await rates.take("a")
    await turn_back(redis, "a", 3_600_000)
    assert (await rates.standing("a")).submissions == 3


async def test_a_refusal_takes_nothing(redis: Redis) -> None:
    rates = rates_of(redis, per_minute=1)
    await rates.take("a")
    for _ in range(3):
        with pytest.raises(RateLimited):
            await rates.take("a")
    await turn_back(redis, "a", 60_000)
    await rates.take("a")


async def test_a_clock_that_goes_back_takes_nothing_away(redis: Redis) -> None:
    rates = rates_of(redis)
    await rates.take("a")
    await turn_back(redis, "a", -3_600_000)
    assert (await rates.standing("a")).submissions == 2


async def test_callers_have_buckets_of_their_own(redis: Redis) -> None:
    rates = rates_of(redis, per_minute=1)
    await rates.take("a")
    await rates.take("b")


async def test_gateways_share_the_buckets(redis: Redis) -> None:
    gateways = [rates_of(redis, per_minute=10) for _ in range(4)]
    answers = await asyncio.gather(
        *(gateway.take("a") for gateway in gateways for _ in range(10)), return_exceptions=True
    )
    assert sum(answer is None for answer in answers) == 10
    assert all(answer is None or isinstance(answer, RateLimited) for answer in answers)


async def test_no_limit_takes_no_bucket(redis: Redis) -> None:
    rates = rates_of(redis, per_minute=0)
    for _ in range(5):
        await rates.take("a")
    standing = await rates.standing("a")
    assert (standing.submissions, standing.next_s, standing.live_jobs) == (None, 0, 5)
    assert await redis.keys("lg:rate:*") == []


async def test_a_bucket_is_forgotten_once_it_is_full_again(redis: Redis) -> None:
    await rates_of(redis).take("a")
    assert 0 < await redis.pttl("lg:rate:a") <= 20_000


async def test_live_jobs_count(redis: Redis, queue: JobQueue) -> None:
    rates = rates_of(redis, live_jobs=2)
    jobs = [
        NewJob(operation=Operation.DECODE, params={}, batch_key="k", tenant="a") for _ in range(3)
    ]
    for job, left in zip(jobs, (1, 0, 0), strict=True):
        await queue.submit(job)
        assert (await rates.standing("a")).live_jobs == left
    await queue.cancel(jobs[0].id)
    await queue.cancel(jobs[1].id)
    assert (await rates.standing("a")).live_jobs == 1
    assert (await rates.standing("b")).live_jobs == 2


async def test_the_wait_is_told_exactly(redis: Redis) -> None:
    rates = rates_of(redis, per_minute=1)
    await rates.take("a")
    # The bucket's clock is ahead, so that no time passes within the test.
    await turn_back(redis, "a", -3_600_000)
    with pytest.raises(RateLimited) as caught:
        await rates.take("a")
    assert caught.value.retry_after == 60
    await redis.hset("lg:rate:a", "tokens", "0.75")
    assert (await rates.standing("a")).next_s == 15
