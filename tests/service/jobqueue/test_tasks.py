"""Tasks end even when they miss the first request to."""

import asyncio

from service.jobqueue.tasks import cancel_and_wait


async def test_a_task_that_swallows_a_cancellation_still_ends() -> None:
    swallowed = 0

    async def deaf_at_first() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(deaf_at_first())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel_and_wait(task), 5)
    assert task.cancelled()
    assert swallowed == 2


async def test_a_task_that_failed_does_not_disturb() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(broken())
    await asyncio.wait({task})
    await cancel_and_wait(task)
    assert isinstance(task.exception(), ValueError)
