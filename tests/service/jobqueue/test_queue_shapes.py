"""Shapes that jobs publish, and their families."""

from redis.asyncio import Redis

from service.jobqueue.lease import Succeeded
from service.jobqueue.queue import JobQueue
from service.jobqueue.records import Relative
from service.jobqueue.registry import CHILDREN_LIMIT
from service.jobs import ShapeRecord
from tests.service.jobqueue.clock import LONG_AGO_MS, outlive_shape
from tests.service.jobqueue.worker import (
    new_job,
    shape,
    start,
)


async def publish(queue: JobQueue, *shapes: ShapeRecord, tenant: str = "anonymous") -> None:
    await queue.submit(new_job(tenant=tenant))
    assert await queue.finish(await start(queue), Succeeded(result={}, shapes=shapes))


async def family(queue: JobQueue, shape_id: str, limit: int = 50) -> dict[str, Relative]:
    found = await queue.family(shape_id, "anonymous", limit=limit)
    assert found[0].id == shape_id
    return {relative.id: relative for relative in found}


async def test_shapes_expire(queue: JobQueue, redis: Redis) -> None:
    parent = shape()
    made = shape(parent.id)
    told = made.expires_ms - made.created_ms
    await publish(queue, parent, made)
    assert await queue.shape(made.id) == made
    assert (await family(queue, parent.id))[parent.id].children == (made.id,)
    assert told - 30_000 < await redis.pttl(f"lg:shape:{made.id}") <= told
    await outlive_shape(redis, made.id, parent.id)
    assert await queue.shape(made.id) is None
    relative = (await family(queue, parent.id))[parent.id]
    assert (relative.children, relative.children_count) == ((), 0)


async def test_children_live_as_long_as_the_longest(queue: JobQueue) -> None:
    parent = shape()
    later, soon = shape(parent.id), shape(parent.id, expires_ms=LONG_AGO_MS)
    await publish(queue, parent, later, soon)
    assert (await family(queue, parent.id))[parent.id].children == (later.id,)


async def test_children_that_have_expired_are_not_kept(queue: JobQueue, redis: Redis) -> None:
    first, expired, later = shape("shp_p"), shape("shp_p", expires_ms=LONG_AGO_MS), shape("shp_p")
    await publish(queue, first, expired)
    assert expired.id in await redis.zrange("lg:made_from:shp_p", 0, -1)
    await publish(queue, later)
    assert set(await redis.zrange("lg:made_from:shp_p", 0, -1)) == {first.id, later.id}


async def test_of_many_children_the_newest_are_named_and_all_counted(queue: JobQueue) -> None:
    parent = shape()
    now = parent.expires_ms
    children = [shape(parent.id, expires_ms=now + age) for age in range(CHILDREN_LIMIT + 5)]
    await publish(queue, parent, *children)
    relatives = await family(queue, parent.id, limit=20)
    newest_first = [child.id for child in children[::-1]]
    assert list(relatives[parent.id].children) == newest_first[:CHILDREN_LIMIT]
    assert relatives[parent.id].children_count == CHILDREN_LIMIT + 5
    assert list(relatives) == [parent.id, *newest_first[:19]]  # no more than asked for


async def test_a_family_has_ancestors_then_descendants_and_names_strangers_only(
    queue: JobQueue,
) -> None:
    stranger = shape(meta={"seed": 2**64 - 1})
    old = shape(stranger.id, "shp_gone")
    middle = shape(old.id, meta={"seed": 2**64 - 1, "metrics": {"chamfer": 0.5}})
    young = shape(middle.id, old.id)
    sister = shape(old.id)
    await publish(queue, stranger, tenant="other")
    await publish(queue, old, middle, young, sister)
    found = await queue.family(middle.id, "anonymous", limit=50)
    ids = [relative.id for relative in found]
    assert ids == [middle.id, old.id, stranger.id, "shp_gone", young.id]
    records = [relative.record for relative in found]
    assert records == [middle, old, None, None, young]
    assert set(found[1].children) == {middle.id, young.id, sister.id}
    assert [found[2].children, found[2].children_count] == [(), 0]


async def test_grandchildren_are_no_children(queue: JobQueue) -> None:
    parent = shape()
    child = shape(parent.id)
    grandchild = shape(child.id)
    await publish(queue, parent, child, grandchild)
    found = await family(queue, parent.id)
    assert list(found) == [parent.id, child.id, grandchild.id]
    assert found[parent.id].children == (child.id,)
    assert found[child.id].children == (grandchild.id,)
