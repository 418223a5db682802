"""The queue fixtures of the service tests, for whole processes."""

from tests.service.conftest import queue, redis, redis_server

__all__ = ["queue", "redis", "redis_server"]
