"""Ending background tasks that talk to Redis."""

import asyncio
from typing import Any

_AGAIN_S = 0.2


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, whatever it ends with.

    ``task.cancel()`` alone is not enough: Python 3.11's ``asyncio.wait_for``, which the Redis
    client sends with, swallows a cancellation that arrives just as the send completes. So ask
    again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_S)
