"""Who calls: from the headers of a request, or the metadata of a call, whatever the transport."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.apikeys import ApiKey
from service.errors import Unauthenticated
from service.jobs import ANONYMOUS, CallerLimits

KEY_HEADER = "x-api-key"
BEARER_HEADER = "authorization"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request.

    Attributes:
        tenant: what jobs, shapes, idempotency keys and limits belong to.
        name: for logs.
        limits: how much they may ask for.
    """

    tenant: str
    name: str
    limits: CallerLimits


class Access:
    """Tells callers by their API keys; without any keys everybody is one anonymous caller.

    Args:
        keys: all that open the service; those of one name are one caller's.
        limits: of each caller.
    """

    def __init__(self, keys: Sequence[ApiKey], limits: CallerLimits) -> None:
        self._keys = tuple(keys)
        self._limits = limits

    @property
    def needs_key(self) -> bool:
        """Whether a caller must have a key."""
        return bool(self._keys)

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who sent these headers: ``X-API-Key: <key>``, or ``Authorization: Bearer <key>``.

        Args:
            headers: their names are looked up in lower case.

        Raises:
            Unauthenticated: there is no key, or an unknown one.
        """
        if not self._keys:
            return Caller(ANONYMOUS, ANONYMOUS, self._limits)
        presented = _presented(headers)
        if presented is None:
            raise Unauthenticated(
                "This server asks for an API key, and the request has none.",
                suggestion="Send Authorization: Bearer <key>, or X-API-Key: <key>.",
            )
        name = self._owner(presented)
        if name is None:
            raise Unauthenticated(
                "The API key is not one of this server's.",
                suggestion="Check that the key is complete and was made for this server.",
            )
        return Caller(name, name, self._limits)

    def _owner(self, presented: str) -> str | None:
        """The name that a key belongs to; every key is compared, so that time tells nothing."""
        digest = hashlib.sha256(presented.encode(errors="surrogateescape")).hexdigest()
        owners = [key.name for key in self._keys if key.opens(digest)]
        return owners[0] if owners else None


def _presented(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries; an ``Authorization`` of another scheme may be a proxy's."""
    key = headers.get(KEY_HEADER, "").strip()
    if key:
        return key
    scheme, _, key = headers.get(BEARER_HEADER, "").strip().partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
