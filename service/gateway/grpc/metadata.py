"""What travels beside the messages of a call, both ways."""

from typing import Any
from urllib.parse import unquote

from grpc.aio import ServicerContext

from service.contract import IDEMPOTENCY_KEY_LENGTH
from service.errors import InvalidParameter
from service.gateway.quota import quota_headers
from service.gateway.submission import Call, JobService

REQUEST_ID = "x-request-id"
IDEMPOTENCY_KEY = "idempotency-key"

Metadata = tuple[tuple[str, str], ...]


def headers_of(context: ServicerContext[Any, Any]) -> dict[str, str]:
    """The call's metadata that are text; of a repeated key the first."""
    headers: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            headers.setdefault(key, value)
    return headers


def idempotency_key(headers: dict[str, str]) -> str | None:
    """The caller's key; None where there is none.

    Raises:
        InvalidParameter: it is empty or too long.
    """
    key = headers.get(IDEMPOTENCY_KEY)
    if key is not None and not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH:
        raise InvalidParameter(
            f"The idempotency key has {len(key)} characters.",
            suggestion=f"Use 1 to {IDEMPOTENCY_KEY_LENGTH}, or leave it out.",
            param="Idempotency-Key",
        )
    return key


def peer_address(peer: str) -> str:
    """The address of ``ipv4:10.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``, as REST has it."""
    kind, _, place = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    return unquote(place).rpartition(":")[0].strip("[]")


async def quota_metadata(jobs: JobService, call: Call) -> Metadata:
    """``ratelimit-policy`` and ``ratelimit``: what REST tells in header fields."""
    return tuple((name.lower(), value) for name, value in (await quota_headers(jobs, call)).items())
