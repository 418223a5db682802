"""What the deployment knows of beside jobs: shapes, workers, and the models these have loaded."""

import json
from dataclasses import asdict
from typing import Any

from redis.asyncio import Redis

from service.jobqueue.connection import Connection
from service.jobqueue.records import Relative, WorkerInfo, shape_from_json, worker_from_json
from service.jobs import ShapeRecord

WORKER_TTL_S = 15
"""Silence after which a worker no longer counts as alive."""

CHILDREN_LIMIT = 100
"""Children of one shape that ``family`` names, the newest first."""


class Registry:
    """Records in Redis that are looked up by name; ``JobQueue`` publishes those of shapes.

    Args:
        redis: a client made by ``connect``; the caller closes it.
    """

    def __init__(self, redis: Redis) -> None:
        self._connection = Connection(redis)

    async def shape(self, shape_id: str) -> ShapeRecord | None:
        """The shape's record; None where there is none (any more)."""
        text = await self._connection.command("GET", f"lg:shape:{shape_id}")
        return shape_from_json(text) if text else None

    async def shape_expiry(self, shape_id: str, tenant: str) -> int | None:
        """When a tenant's shape expired or will; None where there was none in the last month."""
        trace = await self._connection.command("GET", f"lg:trace:{shape_id}")
        expires_ms, _, owner = (trace or "").partition(" ")
        return int(expires_ms) if trace and owner == tenant else None

    async def family(self, shape_id: str, tenant: str, *, limit: int) -> list[Relative]:
        """A tenant's shape, then its ancestors, then its descendants, nearest first.

        Args:
            shape_id: the shape.
            tenant: whose shapes are shown; others are only named.
            limit: most shapes to return.
        """
        found = await self._connection.run("family", shape_id, tenant, limit, CHILDREN_LIMIT)
        return [
            Relative(
                id=relative_id,
                record=shape_from_json(text) if text else None,
                children=tuple(children),
                children_count=count,
            )
            for relative_id, text, count, children in found
        ]

    async def register_worker(self, worker: WorkerInfo) -> None:
        """Announce a worker that has loaded its model, and remember the model for good."""
        name = worker.model["name"]
        await self._connection.command("HSET", "lg:models", name, json.dumps(worker.model))
        await self.heartbeat(worker)

    async def heartbeat(self, worker: WorkerInfo) -> None:
        """A sign of life, good for ``WORKER_TTL_S`` seconds."""
        text = json.dumps(asdict(worker))
        await self._connection.command("SET", f"lg:w:{worker.id}", text, "EX", WORKER_TTL_S)
        await self._connection.command("SADD", "lg:workers", worker.id)

    async def unregister_worker(self, worker_id: str) -> None:
        """Say that a worker has ended, so that nobody counts on it until its sign of life fades."""
        await self._connection.command("DEL", f"lg:w:{worker_id}")
        await self._connection.command("SREM", "lg:workers", worker_id)

    async def workers(self) -> list[WorkerInfo]:
        """The workers that are alive, by id."""
        ids = sorted(await self._connection.command("SMEMBERS", "lg:workers"))
        if not ids:
            return []
        texts = await self._connection.command("MGET", *(f"lg:w:{worker}" for worker in ids))
        gone = [worker for worker, text in zip(ids, texts, strict=True) if not text]
        if gone:
            await self._connection.command("SREM", "lg:workers", *gone)
        return [worker_from_json(text) for text in texts if text]

    async def models(self) -> list[dict[str, Any]]:
        """The models that workers last announced, alive or not, by name.

        They outlive their workers, so that jobs are accepted while a worker restarts.
        """
        known = await self._connection.command("HGETALL", "lg:models")
        return [json.loads(known[name]) for name in sorted(known)]
