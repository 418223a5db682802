"""Callers, told by their keys from any transport's headers."""

from __future__ import annotations

import hmac

import pytest

from service import apikeys
from service.apikeys import ApiKey
from service.errors import Unauthenticated
from service.gateway.access import Access
from service.jobs import ANONYMOUS, CallerLimits

LIMITS = CallerLimits(per_minute=7, live_jobs=3)


@pytest.fixture
def access() -> Access:
    keys = ApiKey.of("key-a", "alice"), ApiKey.of("key-a2", "alice"), ApiKey.of("key-b", "bob")
    return Access(keys, LIMITS)


async def test_without_keys_everybody_is_one_caller() -> None:
    access = Access((), LIMITS)
    assert not access.needs_key
    for headers in ({}, {"x-api-key": "anything"}):
        caller = await access.caller(headers)
        assert (caller.tenant, caller.limits) == (ANONYMOUS, LIMITS)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"authorization": "Bearer key-a"}, "alice"),
        ({"authorization": "bearer  key-a2 "}, "alice"),
        ({"x-api-key": "key-b"}, "bob"),
        ({"x-api-key": " key-b "}, "bob"),
        ({"authorization": "Basic cHJveHk=", "x-api-key": "key-b"}, "bob"),
        ({"authorization": "Bearer key-a", "x-api-key": "key-b"}, "bob"),
    ],
)
async def test_a_key_tells_its_caller(access: Access, headers: dict[str, str], name: str) -> None:
    caller = await access.caller(headers)
    assert (caller.tenant, caller.name, caller.limits) == (name, name, LIMITS)


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({}, "has none"),
        ({"authorization": ""}, "has none"),
        ({"authorization": "Bearer"}, "has none"),
        ({"authorization": "Basic key-a"}, "has none"),
        ({"x-api-key": "  "}, "has none"),
        ({"authorization": "Bearer key-c"}, "not one"),
        ({"authorization": "Bearer key"}, "not one"),
        ({"authorization": "Bearer KEY-A"}, "not one"),
        ({"x-api-key": "käy \udc80"}, "not one"),
        ({"authorization": "Bearer key-a", "x-api-key": "key-c"}, "not one"),
    ],
)
async def test_no_key_or_a_wrong_one(access: Access, headers: dict[str, str], cause: str) -> None:
    with pytest.raises(Unauthenticated, match=cause) as caught:
        await access.caller(headers)
    for value in headers.values():
        assert not value.strip() or value not in caught.value.detail


async def test_a_hash_is_no_key(access: Access) -> None:
    with pytest.raises(Unauthenticated):
        await access.caller({"x-api-key": ApiKey.of("key-a").sha256})


async def test_every_key_is_compared_in_constant_time(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    compare = hmac.compare_digest

    def counted(ours: str, theirs: str) -> bool:
        compared.append(ours)
        return compare(ours, theirs)

    monkeypatch.setattr(apikeys.hmac, "compare_digest", counted)
    await access.caller({"x-api-key": "key-a"})
    assert len(compared) == 3
